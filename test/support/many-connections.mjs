// Opens many connections to a port, from many addresses of this machine, and says when they are open and closed.
import net from "node:net";

const [port, addressCount, perAddress] = process.argv.slice(2).map(Number);
let openCount = 0;
let closedCount = 0;
const total = addressCount * perAddress;
for (let address = 1; address <= addressCount; address += 1) {
  for (let count = 0; count < perAddress; count += 1) {
    const socket = net.connect({ port, host: "127.0.0.1", localAddress: `127.0.1.${address}` });
    socket.on("error", () => {});
    socket.once("connect", () => {
      openCount += 1;
      if (openCount === total) process.stdout.write("open\n");
    });
    socket.once("close", () => {
      closedCount += 1;
      if (closedCount === total) process.stdout.write("closed\n");
    });
    socket.resume();
  }
}

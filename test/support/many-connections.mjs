// Opens many connections to a port, one address of this machine after the other, each time that it is told to.
import net from "node:net";

const [port, perAddress] = process.argv.slice(2).map(Number);
let address = 0;
let openCount = 0;

process.on("message", () => {
  address += 1;
  for (let count = 0; count < perAddress; count += 1) {
    const socket = net.connect({ port, host: "127.0.0.1", localAddress: `127.0.1.${address}` });
    socket.on("error", () => {});
    socket.once("connect", () => {
      openCount += 1;
    });
    socket.once("close", () => {
      openCount -= 1;
      if (openCount === 0) process.send("closed");
    });
    socket.resume();
  }
});

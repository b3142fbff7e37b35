/*
 * A replica that costs as little as possible, so that a measurement beside it measures the gateway.
 *
 *     canned-backend PREDICT_REPLY STATUS_REPLY ADDRESSES
 *
 * It listens on one free port of ADDRESSES loopback addresses (127.0.0.1, 127.0.0.2, …) and prints `port N`. It answers
 * every gRPC request over HTTP/2 without TLS when the request has ended, with the framed message in the file
 * STATUS_REPLY if its body is shorter than minPredictBytes, and with that in PREDICT_REPLY otherwise. It decodes no
 * headers, so it cannot tell methods apart by name. It is no server for anything but a benchmark: it trusts its clients.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DATA = 0, HEADERS = 1, SETTINGS = 4, PING = 6, WINDOW_UPDATE = 8 };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };
enum { frameHeadBytes = 9, prefaceBytes = 24, maxFrameBytes = 16384 };

/* A GetModelStatus request holds a model's name and little else; a Predict request holds a picture. */
enum { minPredictBytes = 200 };
/* Larger than any request of the benchmark: a stream's window need not be updated. */
enum { streamWindowBytes = 1 << 26 };
enum { connectionWindowBytes = 1 << 30, windowUpdateBytes = 1 << 28 };
enum { maxStreams = 4096, streamSlots = 4 * maxStreams };
enum { readBytes = 1 << 18 };

struct buffer {
  uint8_t *bytes;
  size_t length, capacity;
};

struct connection {
  int fd;
  /* Of a listener, nothing else is used. */
  int isListener;
  int awaitsWritable;
  size_t prefaceRead;
  uint8_t head[frameHeadBytes];
  size_t headRead;
  uint32_t payloadLeft;
  /* Of a control frame; the payloads of others are skipped. */
  uint8_t control[8];
  size_t controlRead;
  /* Body bytes of the open streams, by stream id modulo streamSlots. */
  uint32_t bodyBytes[streamSlots];
  uint32_t uncreditedBytes;
  int64_t sendWindow;
  /* Streams whose reply waits for the connection's window. */
  struct buffer pending;
  struct buffer out;
  size_t outWritten;
};

struct reply {
  uint8_t *frames;
  size_t length, dataBytes;
  /* Offsets of the heads of its three frames, which get the stream id. */
  size_t heads[3];
};

static struct reply predictReply, statusReply;
static uint8_t readBuffer[readBytes];
static int epollFd;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static uint8_t *extend(struct buffer *buffer, size_t more) {
  if (buffer->length + more > buffer->capacity) {
    buffer->capacity = 2 * (buffer->length + more);
    buffer->bytes = realloc(buffer->bytes, buffer->capacity);
    if (!buffer->bytes) fail("realloc");
  }
  uint8_t *end = buffer->bytes + buffer->length;
  buffer->length += more;
  return end;
}

static void putUint32(uint8_t *at, uint32_t value) {
  value = htonl(value);
  memcpy(at, &value, 4);
}

static uint32_t uint32At(const uint8_t *at) {
  uint32_t value;
  memcpy(&value, at, 4);
  return ntohl(value);
}

static void putFrame(struct buffer *out, uint8_t type, uint8_t flags, const void *payload, size_t length) {
  uint8_t *at = extend(out, frameHeadBytes + length);
  putUint32(at, (uint32_t)length << 8 | type);
  at[4] = flags;
  putUint32(at + 5, 0);
  memcpy(at + frameHeadBytes, payload, length);
}

static struct reply readReply(const char *path) {
  /* RFC 7541: `:status: 200` by its index, then literals without indexing. */
  static const char headers[] = "\x88\x0f\x10\x10" "application/grpc";
  static const char trailers[] = "\x00\x0bgrpc-status\x01" "0";
  uint8_t message[maxFrameBytes];
  FILE *file = fopen(path, "rb");
  if (!file) fail(path);
  size_t length = fread(message, 1, sizeof message, file);
  fclose(file);

  struct buffer out = {0};
  struct reply reply = {.dataBytes = length};
  putFrame(&out, HEADERS, END_HEADERS, headers, sizeof headers - 1);
  reply.heads[1] = out.length;
  putFrame(&out, DATA, 0, message, length);
  reply.heads[2] = out.length;
  putFrame(&out, HEADERS, END_HEADERS | END_STREAM, trailers, sizeof trailers - 1);
  reply.frames = out.bytes;
  reply.length = out.length;
  return reply;
}

static int sendReply(struct connection *c, uint32_t stream) {
  int isPredict = c->bodyBytes[(stream >> 1) % streamSlots] >= minPredictBytes;
  const struct reply *reply = isPredict ? &predictReply : &statusReply;
  if (c->sendWindow < (int64_t)reply->dataBytes) return 0;
  c->sendWindow -= (int64_t)reply->dataBytes;
  uint8_t *at = extend(&c->out, reply->length);
  memcpy(at, reply->frames, reply->length);
  for (int i = 0; i < 3; i++) putUint32(at + reply->heads[i] + 5, stream);
  return 1;
}

static void endRequest(struct connection *c, uint32_t stream) {
  if (c->pending.length == 0 && sendReply(c, stream)) return;
  memcpy(extend(&c->pending, sizeof stream), &stream, sizeof stream);
}

static void sendPending(struct connection *c) {
  size_t sent = 0;
  while (sent < c->pending.length) {
    uint32_t stream;
    memcpy(&stream, c->pending.bytes + sent, sizeof stream);
    if (!sendReply(c, stream)) break;
    sent += sizeof stream;
  }
  if (sent == 0) return;
  c->pending.length -= sent;
  memmove(c->pending.bytes, c->pending.bytes + sent, c->pending.length);
}

static void creditBody(struct connection *c, uint32_t stream, uint32_t length) {
  c->bodyBytes[(stream >> 1) % streamSlots] += length;
  c->uncreditedBytes += length;
  if (c->uncreditedBytes < windowUpdateBytes) return;
  uint8_t increment[4];
  putUint32(increment, c->uncreditedBytes);
  putFrame(&c->out, WINDOW_UPDATE, 0, increment, sizeof increment);
  c->uncreditedBytes = 0;
}

static void beginFrame(struct connection *c) {
  uint32_t stream = uint32At(c->head + 5) & 0x7fffffff;
  c->payloadLeft = uint32At(c->head) >> 8;
  c->controlRead = 0;
  if (c->head[3] == HEADERS) c->bodyBytes[(stream >> 1) % streamSlots] = 0;
  if (c->head[3] == DATA) creditBody(c, stream, c->payloadLeft);
}

static void endFrame(struct connection *c) {
  uint8_t type = c->head[3], flags = c->head[4];
  uint32_t stream = uint32At(c->head + 5) & 0x7fffffff;
  c->headRead = 0;
  if ((type == DATA || type == HEADERS) && flags & END_STREAM) endRequest(c, stream);
  if (type == SETTINGS && !(flags & ACK)) putFrame(&c->out, SETTINGS, ACK, "", 0);
  if (type == PING && !(flags & ACK)) putFrame(&c->out, PING, ACK, c->control, 8);
  if (type == WINDOW_UPDATE && stream == 0) {
    c->sendWindow += uint32At(c->control) & 0x7fffffff;
    sendPending(c);
  }
}

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

static void receive(struct connection *c, const uint8_t *bytes, size_t length) {
  size_t preface = smaller(prefaceBytes - c->prefaceRead, length);
  c->prefaceRead += preface;
  for (size_t at = preface; at < length;) {
    if (c->headRead < frameHeadBytes) {
      size_t part = smaller(frameHeadBytes - c->headRead, length - at);
      memcpy(c->head + c->headRead, bytes + at, part);
      c->headRead += part;
      at += part;
      if (c->headRead < frameHeadBytes) return;
      beginFrame(c);
    } else {
      size_t part = smaller(c->payloadLeft, length - at);
      size_t kept = smaller(part, sizeof c->control - c->controlRead);
      memcpy(c->control + c->controlRead, bytes + at, kept);
      c->controlRead += kept;
      c->payloadLeft -= part;
      at += part;
    }
    if (c->payloadLeft == 0) endFrame(c);
  }
}

static void watch(struct connection *c, int operation, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = c};
  if (epoll_ctl(epollFd, operation, c->fd, &event) < 0) fail("epoll_ctl");
}

/* Returns whether the connection is still open. */
static int flush(struct connection *c) {
  while (c->outWritten < c->out.length) {
    ssize_t n = send(c->fd, c->out.bytes + c->outWritten, c->out.length - c->outWritten, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) return 0;
    if (n < 0) break;
    c->outWritten += (size_t)n;
  }
  int isBlocked = c->outWritten < c->out.length;
  if (!isBlocked) c->outWritten = c->out.length = 0;
  if (isBlocked != c->awaitsWritable) watch(c, EPOLL_CTL_MOD, EPOLLIN | (isBlocked ? EPOLLOUT : 0));
  c->awaitsWritable = isBlocked;
  return 1;
}

/* Returns whether the connection is still open. */
static int readAvailable(struct connection *c) {
  ssize_t n = recv(c->fd, readBuffer, sizeof readBuffer, 0);
  if (n <= 0) return n < 0 && errno == EAGAIN;
  receive(c, readBuffer, (size_t)n);
  return 1;
}

static void acceptAll(int listener) {
  static const int on = 1;
  /* SETTINGS_MAX_CONCURRENT_STREAMS and SETTINGS_INITIAL_WINDOW_SIZE. */
  uint8_t settings[12] = {0, 3, 0, 0, 0, 0, 0, 4};
  uint8_t increment[4];
  putUint32(settings + 2, maxStreams);
  putUint32(settings + 8, streamWindowBytes);
  putUint32(increment, connectionWindowBytes);
  for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct connection *c = calloc(1, sizeof *c);
    if (!c) fail("calloc");
    c->fd = fd;
    c->sendWindow = 65535;
    watch(c, EPOLL_CTL_ADD, EPOLLIN);
    putFrame(&c->out, SETTINGS, 0, settings, sizeof settings);
    putFrame(&c->out, WINDOW_UPDATE, 0, increment, sizeof increment);
    flush(c);
  }
}

static void closeConnection(struct connection *c) {
  close(c->fd);
  free(c->out.bytes);
  free(c->pending.bytes);
  free(c);
}

/* Listens on the address with this index, and returns the port. */
static in_port_t listenOn(uint32_t index, in_port_t port) {
  static const int on = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = port};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + index);
  socklen_t size = sizeof address;
  struct connection *listener = calloc(1, sizeof *listener);
  if (!listener) fail("calloc");
  listener->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  listener->isListener = 1;
  setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener->fd, (struct sockaddr *)&address, size) < 0) fail("bind");
  if (listen(listener->fd, 4096) < 0) fail("listen");
  getsockname(listener->fd, (struct sockaddr *)&address, &size);
  watch(listener, EPOLL_CTL_ADD, EPOLLIN);
  return address.sin_port;
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: %s PREDICT_REPLY STATUS_REPLY ADDRESSES\n", argv[0]);
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  predictReply = readReply(argv[1]);
  statusReply = readReply(argv[2]);
  epollFd = epoll_create1(0);
  in_port_t port = 0;
  for (int index = 0; index < atoi(argv[3]); index++) port = listenOn((uint32_t)index, port);
  printf("port %d\n", ntohs(port));
  fflush(stdout);
  for (;;) {
    struct epoll_event events[64];
    int count = epoll_wait(epollFd, events, 64, -1);
    for (int i = 0; i < count; i++) {
      struct connection *c = events[i].data.ptr;
      if (c->isListener) acceptAll(c->fd);
      else if (!readAvailable(c) || !flush(c)) closeConnection(c);
    }
  }
}

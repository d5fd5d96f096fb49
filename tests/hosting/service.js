// A service by the contract of kit/hosting/supervisor.py: /die/<how> ends it, and is never answered.
"use strict";

const http = require("node:http");
const say = (type, fields) => console.log(JSON.stringify({ type, ...fields }));
const trace = { trace_id: "11111111111111111111111111111111", span_id: "2222222222222222" };
const kept = [];
const ways = {
  exit: (code) => process.exit(Number(code)),
  crash: () => setImmediate(() => {
    throw new RangeError("no more chips");
  }),
  kill: () => process.kill(process.pid, "SIGKILL"),
  heap: () => setInterval(() => {
    for (let i = 0; i < 2e5; i++) kept.push({ i, text: "x" + i });
  }),
  block: (ms) => {
    const end = Date.now() + Number(ms);
    while (Date.now() < end);
  },
};
const server = http.createServer((request, response) => {
  say("request", { method: request.method, path: request.url, ...trace });
  const [, , way, argument] = request.url.split("/");
  if (way) return ways[way](argument);
  say("answer", { ...trace, status: 200 });
  response.end("hello");
});
process.on("SIGTERM", () => {
  console.log("good bye");
  process.exit(0);
});
server.listen(Number(process.env.PORT), "127.0.0.1", () => {
  say("ready", { port: server.address().port, pid: process.pid, node: process.version });
});

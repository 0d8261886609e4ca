// An upstream on Node's http, with the parser that it calls insecure.
const http = require("node:http");

const server = http.createServer({ insecureHTTPParser: true }, (request, response) => {
  const pieces = [];
  request.on("data", (piece) => pieces.push(piece));
  request.on("end", () => {
    const body = Buffer.concat(pieces).toString("latin1");
    console.log(JSON.stringify({ method: request.method, target: request.url, body }));
    const answer = Buffer.from(request.url, "latin1");
    response.writeHead(200, { "Content-Length": answer.length });
    response.end(request.method === "HEAD" ? undefined : answer);
  });
});
server.keepAliveTimeout = 60000;
server.listen(Number(process.argv[2]), "127.0.0.1");

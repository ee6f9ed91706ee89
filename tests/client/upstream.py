"""Stands in for the provider: a server on 127.0.0.1 that answers every request and says on standard output what came.

    upstream.py

First line: `listening on PORT`. Then, one line a request, a JSON object: method, path, and the Authorization headers
as they arrived.
"""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ANSWER = {
    "id": "chatcmpl-test",
    "object": "chat.completion",
    "created": 0,
    "model": "test",
    "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello from the upstream"}},
    ],
}


class Upstream(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        came = {
            "method": self.command,
            "path": self.path,
            "authorization": self.headers.get_all("Authorization", []),
        }
        print(json.dumps(came), flush=True)
        answer = json.dumps(ANSWER).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
print(f"listening on {server.server_port}", flush=True)
server.serve_forever()

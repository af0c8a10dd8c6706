"""A real web server of one's own, which cuts connections and says no when it is told to."""

import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class WebServer(ThreadingHTTPServer):
    """Serves ``files`` by their paths, with ranges.

    Attributes
    ----------
    files
        Content by path.
    cuts
        For the next answers: after how many bytes the connection ends; None for not at all.
    refusals
        Status codes of the next answers, instead of content.
    ranges
        Whether it knows ranges.
    asked
        What was asked for: path and the header Range, or None.
    redirects
        Where a path has moved to.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files, self.redirects = {}, {}
        self.cuts, self.refusals, self.asked = [], [], []
        self.ranges = True

    def url(self, path):
        return f"http://127.0.0.1:{self.server_port}{path}"


class _Handler(BaseHTTPRequestHandler):
    server: WebServer

    def do_GET(self):  # http.server's name
        server, wanted = self.server, self.headers.get("Range")
        server.asked.append((self.path, wanted))
        if self.path in server.redirects:
            self.send_response(302)
            self.send_header("Location", server.redirects[self.path])
            self.end_headers()
            return
        if server.refusals:
            self.send_error(server.refusals.pop(0))
            return
        content = server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        start = self._start(wanted)
        if start >= len(content) and start:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            end = len(content) - 1
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("Content-Type", "text/html" if self.path.endswith("/") else "text/plain")
        self.end_headers()
        cut = server.cuts.pop(0) if server.cuts else None
        self.wfile.write(content[start:][:cut])

    def _start(self, wanted):
        found = re.fullmatch(r"bytes=(\d+)-", wanted or "") if self.server.ranges else None
        return int(found[1]) if found else 0

    def log_message(self, *arguments):
        pass


@contextmanager
def web_server():
    with WebServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()

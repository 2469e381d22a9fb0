"""A gRPC service and its caller; messages are plain bytes, so nothing has to be generated.

`greeter.py serve`: the first line on stdout is the port; ends when stdin does.
`greeter.py call TARGET`: one call that answers, one whose answer comes in 20 parts, one that talks
both ways; prints what came back as JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc

SERVICE = "tests.Greeter"


def hello(request: bytes, context: grpc.ServicerContext) -> bytes:
    return f"hello {request.decode()} at {context.peer()}".encode()


def count(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
    for number in range(int(request)):
        yield b"%d" % number * 1000


def reverse(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
    for request in requests:
        yield request[::-1]


def serve() -> None:
    server = grpc.server(ThreadPoolExecutor(4))
    handlers = {
        "Hello": grpc.unary_unary_rpc_method_handler(hello),
        "Count": grpc.unary_stream_rpc_method_handler(count),
        "Reverse": grpc.stream_stream_rpc_method_handler(reverse),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(None).wait()


def call(target: str) -> None:
    with grpc.insecure_channel(target) as channel:
        hello = channel.unary_unary(f"/{SERVICE}/Hello")(b"modem", timeout=30)
        parts = list(channel.unary_stream(f"/{SERVICE}/Count")(b"20", timeout=30))
        words = [b"%d" % number * 5000 for number in range(20)]
        back = list(channel.stream_stream(f"/{SERVICE}/Reverse")(iter(words), timeout=30))
    found = {
        "hello": hello.decode(),
        "parts": [len(part) for part in parts],
        "reversed": back == [word[::-1] for word in words],
    }
    print(json.dumps(found))


if sys.argv[1] == "serve":
    serve()
else:
    call(sys.argv[2])

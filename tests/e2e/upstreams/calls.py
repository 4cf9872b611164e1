"""A gRPC server and a gRPC client that are not ours. Messages are plain bytes.

serve            serves on a free port, which it prints
ask PORT TOKEN   asks through the gateway on this port, which blocks the token; fails where an answer
                 is not what it should be
"""

import queue
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc

SERVICE = "test.Echo"


def unary(request, context):
    metadata = dict(context.invocation_metadata())
    context.send_initial_metadata((("x-initial", "1"),))
    context.set_trailing_metadata((("x-trailing", metadata.get("x-asked", "none")),))
    if request == b"missing":
        context.abort(grpc.StatusCode.NOT_FOUND, "no such thing: ä")
    if request == b"hang":
        # Until nobody waits for the answer any more.
        over = threading.Event()
        context.add_callback(over.set)
        over.wait(20)
    return request


def stream(request, context):
    for number in range(int(request)):
        yield b"%d" % number


def collect(requests, context):
    return b"%d" % sum(len(request) for request in requests)


def talk(requests, context):
    for request in requests:
        yield b"re: " + request


def serve():
    methods = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary),
        "Stream": grpc.unary_stream_rpc_method_handler(stream),
        "Collect": grpc.stream_unary_rpc_method_handler(collect),
        "Talk": grpc.stream_stream_rpc_method_handler(talk),
    }
    server = grpc.server(ThreadPoolExecutor(16))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


def expect(found, wanted):
    if found != wanted:
        raise SystemExit(f"expected {wanted!r}, found {found!r}")


def failing(call):
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise SystemExit("it was answered")


def ask(port, token):
    options = [("grpc.max_receive_message_length", -1), ("grpc.enable_retries", 0)]
    channel = grpc.insecure_channel(f"127.0.0.1:{port}", options)
    unary = channel.unary_unary(f"/{SERVICE}/Unary")
    talk = channel.stream_stream(f"/{SERVICE}/Talk")

    answer, call = unary.with_call(b"hello", metadata=(("x-asked", "this"),), timeout=20)
    expect(answer, b"hello")
    expect(dict(call.initial_metadata())["x-initial"], "1")
    expect(dict(call.trailing_metadata())["x-trailing"], "this")
    expect(call.code(), grpc.StatusCode.OK)

    large = bytes(range(256)) * 4 * 1024
    expect(unary(large, timeout=20), large)
    expect(unary(b"", timeout=20), b"")

    error = failing(lambda: unary(b"missing", timeout=20))
    expect((error.code(), error.details()), (grpc.StatusCode.NOT_FOUND, "no such thing: ä"))
    error = failing(lambda: unary(b"hang", timeout=0.3))
    expect(error.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
    error = failing(lambda: channel.unary_unary(f"/{SERVICE}/None")(b"", timeout=20))
    expect(error.code(), grpc.StatusCode.UNIMPLEMENTED)

    stream = channel.unary_stream(f"/{SERVICE}/Stream")
    expect(list(stream(b"1000", timeout=20)), [b"%d" % number for number in range(1000)])
    collect = channel.stream_unary(f"/{SERVICE}/Collect")
    expect(collect((b"x" * 1000 for _ in range(1000)), timeout=20), b"1000000")

    # Each message waits for the answer to the one before.
    said = queue.Queue()
    replies = talk(iter(said.get, None), timeout=60)
    for turn in range(100):
        said.put(b"%d" % turn)
        expect(next(replies), b"re: %d" % turn)
    said.put(None)
    expect(list(replies), [])

    # Nothing of what is blocked comes back, and the channel lives on.
    error = failing(lambda: unary(b"with " + token.encode(), timeout=20))
    expect(error.code(), grpc.StatusCode.PERMISSION_DENIED)
    said = queue.Queue()
    replies = talk(iter(said.get, None), timeout=60)
    said.put(b"first")
    expect(next(replies), b"re: first")
    said.put(token.encode())
    error = failing(lambda: next(replies))
    if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
        raise SystemExit("a blocked stream was left open")
    expect(unary(b"again", timeout=20), b"again")

    # Many at once.
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda n: unary(b"%d" % n, timeout=20), range(500)))
    expect(answers, [b"%d" % number for number in range(500)])


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve()
    else:
        ask(*sys.argv[2:])

"""The aws client without its start: a call of it loads for most of a second, and a race makes forty.

`client.py serve SOCKET` loads it once, then runs every call in a child of its own, with the caller's arguments, environment,
folder and standard files. `client.py SOCKET ARGUMENTS` is such a caller, started by the `aws` of the tests' PATH.
"""

import sys


def call(path: str, arguments: list[str]) -> int:
    import json
    import os
    import socket

    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    what = json.dumps({"arguments": arguments, "environment": dict(os.environ), "folder": os.getcwd()}).encode()
    socket.send_fds(connection, [len(what).to_bytes(4, "big")], [0, 1, 2])
    connection.sendall(what)
    return int(connection.recv(8) or 1)


def serve(path: str):
    import gc
    import os
    import signal
    import socket
    import threading

    load()
    # A collection would copy into every child what it only reads.
    gc.disable()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    # Children are reaped by themselves.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("ready", flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            answer(connection)
        connection.close()


def answer(connection):
    """One call, in its own process, which ends with it."""
    import json
    import os
    import signal
    import socket
    import traceback

    status = 1
    try:
        size, files, _, _ = socket.recv_fds(connection, 4, 3)
        size = int.from_bytes(size, "big")
        what = b""
        while len(what) < size:
            what += connection.recv(size - len(what))
        what = json.loads(what)
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.chdir(what["folder"])
        # The client says where its own descriptions are when it is loaded.
        data = os.environ["AWS_DATA_PATH"]
        os.environ.clear()
        os.environ.update(what["environment"], AWS_DATA_PATH=data)
        sys.argv = ["aws", *what["arguments"]]
        from awscli.clidriver import main

        status = main()
    except SystemExit as end:
        status = end.code
    except Exception:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:
                status = status or 1
        connection.sendall(str(status if isinstance(status, int) else 1).encode())
        os._exit(0)


def load():
    """Imports what calls use, and keeps the services' descriptions as parsed: a child changes only its own copy."""
    import functools

    import awscli.clidriver
    import botocore.loaders

    parse = botocore.loaders.JSONFileLoader.load_file
    parsed = functools.cache(lambda path: parse(botocore.loaders.JSONFileLoader(), path))
    botocore.loaders.JSONFileLoader.load_file = lambda _, path: parsed(path)
    driver = awscli.clidriver.create_clidriver()
    commands = driver.subcommand_table if hasattr(driver, "subcommand_table") else driver._get_command_table()
    for service in ("ec2", "s3api", "iam", "sts", "ssm", "pricing"):
        commands[service].create_help_command()
    session = driver.session
    for service in ("ec2", "s3", "iam", "sts", "ssm", "pricing"):
        session.create_client(service, "us-east-1", aws_access_key_id="none", aws_secret_access_key="none")


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    else:
        sys.exit(call(sys.argv[1], sys.argv[2:]))

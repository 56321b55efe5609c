"""Start the dashboard's server in this process, say where it is, and open a browser where there is a screen.

Source: `streamlit run`, called by name, so that the numerical core never depends on what draws it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys
import threading
import time
import urllib.request
import webbrowser
from importlib import import_module

from fimcore.places import app_script

DEFAULT_PORT = 8501
PORTS_TRIED = 50
_WAIT = 60.0


class LaunchError(RuntimeError):
    """The dashboard cannot be started; the message says what would work."""


def launch(host: str = "127.0.0.1", port: int | None = None, *, open_browser: bool = True) -> int:
    """Serve the dashboard until interrupted.

    Args:
        host: address to listen on; 127.0.0.1 keeps it to this machine.
        port: None takes 8501, or the next one that is free.
        open_browser: open the page once it answers, if there is a screen to open it on.

    Returns:
        The exit code; being interrupted is the normal end, 0.

    Raises:
        LaunchError: the port is taken or impossible, the address is not this machine's, or the app is missing.
    """
    try:
        script = app_script()
    except FileNotFoundError as fault:
        raise LaunchError(str(fault)) from fault
    port = _free_port(host) if port is None else _checked_port(host, port)
    print("fimcore: warming up …", flush=True)
    threading.Thread(target=_announce, args=(host, port, open_browser and _has_screen()), daemon=True).start()
    server = import_module("streamlit.web.cli")
    flags = {
        "server.address": host,
        "server.port": str(port),
        # a server that is not headless asks for an email address on its first start
        "server.headless": "true",
        "global.developmentMode": "false",
        # its words repeat ours
        "logger.hideWelcomeMessage": "true",
        "logger.level": "warning",
    }
    words = ["run", str(script), *(word for name, value in flags.items() for word in (f"--{name}", value))]
    try:
        server.main(args=words, prog_name="streamlit", standalone_mode=False)
    except KeyboardInterrupt:
        print()
    return 0


def warm_up(url: str) -> None:
    """Visit the first page once, as a browser would: what it imports, computes and caches is there for the first person.

    Args:
        url: address of the running server, such as http://127.0.0.1:8501.
    """
    client = import_module("websockets.sync.client")
    messages = import_module("streamlit.proto.BackMsg_pb2"), import_module("streamlit.proto.ForwardMsg_pb2")
    address = url.replace("http:", "ws:", 1) + "/_stcore/stream"
    deadline = time.monotonic() + _WAIT
    with client.connect(address, origin=url, subprotocols=["streamlit"], max_size=None, proxy=None) as visit:
        first = messages[0].BackMsg()
        first.rerun_script.SetInParent()
        visit.send(first.SerializeToString())
        while time.monotonic() < deadline:
            answer = messages[1].ForwardMsg.FromString(visit.recv(timeout=_WAIT))
            if answer.WhichOneof("type") == "script_finished":
                return


def _announce(host: str, port: int, open_browser: bool) -> None:
    near = _url({"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host), port)  # noqa: S104 (a comparison)
    deadline = time.monotonic() + _WAIT
    while not _answers(f"{near}/_stcore/health"):
        if time.monotonic() > deadline:
            print("fimcore: the server has not answered for a minute.", file=sys.stderr, flush=True)
            return
        time.sleep(0.05)
    # without it the first visitor waits, which is no reason to stop
    with contextlib.suppress(Exception):
        warm_up(near)
    url = _url(host, port)
    print(f"fimcore: the dashboard is at {url}  (Ctrl-C stops it)", flush=True)
    if open_browser:
        webbrowser.open(url)


def _answers(health: str) -> bool:
    try:
        with urllib.request.urlopen(health, timeout=1) as answer:  # noqa: S310 (our own address)
            # the body decides: other paths answer 200 with the page
            return bool(answer.read(16) == b"ok")
    except OSError:
        return False


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _has_screen() -> bool:
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _free_port(host: str) -> int:
    for port in range(DEFAULT_PORT, DEFAULT_PORT + PORTS_TRIED):
        if _is_free(host, port):
            return port
    last = DEFAULT_PORT + PORTS_TRIED - 1
    raise LaunchError(f"every port from {DEFAULT_PORT} to {last} is taken; choose one with --port.")


def _checked_port(host: str, port: int) -> int:
    if not 1 <= port <= 65535:
        raise LaunchError(f"`port` is {port}; it must lie between 1 and 65535.")
    if not _is_free(host, port):
        raise LaunchError(f"port {port} is taken on {host}; choose another, or leave --port out.")
    return port


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError as fault:
            raise LaunchError(f"port {port} needs rights that this user lacks; choose one above 1023.") from fault
        except socket.gaierror as fault:
            raise LaunchError(f"`host` is {host!r}, which is no address of this machine; try 127.0.0.1.") from fault
        except OSError as fault:
            if fault.errno == errno.EADDRNOTAVAIL:
                raise LaunchError(f"`host` is {host!r}, which is no address of this machine; try 127.0.0.1.") from fault
            return False
    return True

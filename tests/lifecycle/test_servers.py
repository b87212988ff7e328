"""Each server starts, keeps its data through kill -9, and leaves nothing behind.

That they ask for TLS and login, the tests of their adapters show.
"""

import socket
from pathlib import Path

import pytest

from resources.errors import PermanentError, TransientError
from resources.servers import processes
from resources.servers.kinds import KINDS
from resources.servers.server import Server, State
from tests.servers import OwnServer


def _stomp(server: Server, *frames: bytes) -> list[bytes]:
    """Send frames and return what came back, one answer a frame; each must ask for one."""
    with socket.create_connection(("127.0.0.1", server.ports["stomp"]), timeout=20) as connection:
        stream = connection.makefile("rwb")
        answers = []
        for frame in frames:
            stream.write(frame + b"\0")
            stream.flush()
            answer = b""
            while not answer.endswith(b"\0"):
                answer += stream.read(1)
            answers.append(answer.strip(b"\n\0"))
        return answers


_CONNECT = b"CONNECT\naccept-version:1.2\nhost:localhost\n\n"


@pytest.mark.parametrize("name", ["activemq", "artemis"])
def test_what_was_stored_is_there_after_kill_9_on_the_same_port(
    name: str, request: pytest.FixtureRequest
) -> None:
    server: Server = request.getfixturevalue(name)
    port = server.ports["stomp"]
    destination = b"/queue/kept" if name == "activemq" else b"kept"
    send = b"SEND\npersistent:true\nreceipt:1\ndestination:" + destination + b"\n\nan order"
    _, receipt = _stomp(server, _CONNECT, send)
    assert receipt.startswith(b"RECEIPT")
    server.restart()
    assert server.ports["stomp"] == port
    subscribe = b"SUBSCRIBE\nid:1\nack:client-individual\ndestination:" + destination + b"\n\n"
    _, message = _stomp(server, _CONNECT, subscribe)
    assert message.endswith(b"an order")


def test_postgres_comes_back_after_kill_9_of_the_postmaster_with_a_busy_backend(postgres: Server) -> None:
    from psycopg2 import connect

    address = f"host=127.0.0.1 port={postgres.ports['postgres']} user=postgres dbname=postgres"
    connection = connect(address)
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept AS SELECT 7 AS number")
    assert len(processes.processes_of(postgres.folder)) > 1
    postgres.kill()
    assert postgres.state() == State.DEAD
    assert processes.processes_of(postgres.folder) == []
    connection.close()
    postgres.restart()
    again = connect(address)
    with again, again.cursor() as cursor:
        cursor.execute("SELECT number FROM kept")
        assert cursor.fetchall() == [(7,)]
        cursor.execute("SHOW server_encoding")
        assert cursor.fetchall() == [("UTF8",)]
    again.close()


def test_stop_ends_all_processes_and_start_keeps_the_ports(own_server: OwnServer) -> None:
    server = own_server("activemq")
    ports = dict(server.ports)
    server.start()
    server.stop()
    assert server.state() == State.STOPPED
    assert processes.processes_of(server.folder) == []
    server.start()
    assert server.state() == State.RUNNING
    assert server.ports == ports


def test_a_server_that_ends_while_it_starts_says_why_and_leaves_nothing(own_server: OwnServer) -> None:
    server = own_server("postgres")
    server.kill()
    (server.folder / "data" / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(TransientError, match=r"postgres ended while it started: .*server\.log"):
        server.start()
    assert processes.processes_of(server.folder) == []


def test_a_server_that_does_not_get_ready_is_ended_at_the_deadline(own_server: OwnServer) -> None:
    server = own_server("activemq")
    server.kill()
    store = server.folder / "data" / "orders"
    store.rename(server.folder / "moved")
    store.write_text("not a folder: it waits for a lock in it")
    with pytest.raises(TransientError, match=r"activemq was not ready after 2 s: .*server\.log"):
        server.start(timeout_s=2)
    assert processes.processes_of(server.folder) == []


def test_a_port_that_another_process_took_is_named(own_server: OwnServer) -> None:
    server = own_server("activemq")
    server.kill()
    assert processes.wait_until(lambda: processes.can_bind(server.ports["stomp"]), 10)
    with (
        socket.create_server(("127.0.0.1", server.ports["stomp"])),
        pytest.raises(PermanentError, match=rf"{server.ports['stomp']}.*taken by another process"),
    ):
        server.start()


def test_a_torn_record_names_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "server.json").write_text("{")
    with pytest.raises(PermanentError, match=r"delete .* to begin anew"):
        Server(KINDS["activemq"], tmp_path).state()

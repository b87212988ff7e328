"""`compose.yaml` offers the servers of `orders servers`, to this machine only."""

import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from orchestration.settings import PROJECT
from resources.brokers.address import parse
from resources.brokers.urls import KINDS as BROKERS
from resources.servers.kinds import KINDS

COMPOSE = PROJECT / "compose.yaml"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The file, read."""
    read: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return read


def test_it_has_the_servers_of_the_command(compose: dict[str, Any]) -> None:
    assert compose["services"].keys() == KINDS.keys()


def test_every_port_is_on_this_machine_only_and_used_once(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service["ports"]]
    outside = [re.fullmatch(r"127\.0\.0\.1:(\d+):\d+", port) for port in ports]
    assert all(outside)
    assert len({match[1] for match in outside if match}) == len(ports)


def test_every_image_has_a_version_and_every_volume_is_declared(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert re.fullmatch(r"[a-z/-]+:\d[\w.-]*", service["image"])
        assert {volume.split(":")[0] for volume in service["volumes"]} <= compose["volumes"].keys()
        assert {config["source"] for config in service.get("configs", [])} <= compose.get(
            "configs", {}
        ).keys()


def test_its_urls_are_understood_and_name_published_ports(compose: dict[str, Any]) -> None:
    text = COMPOSE.read_text()
    urls = re.findall(r"^  # ((?:kafka|amqp|rabbitmq-stream|stomp)://\S+)$", text, re.MULTILINE)
    assert len(urls) == 5
    for url in urls:
        address = parse(url)
        assert address.kind in BROKERS
        assert f'"127.0.0.1:{address.host(0)[1]}:' in text


def test_the_docker_client_understands_it() -> None:
    has_compose = (
        shutil.which("docker")
        and not subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode
    )
    if not has_compose:
        pytest.skip("docker compose is missing: install Docker's compose plugin")
    done = subprocess.run(
        ["docker", "compose", "-f", str(COMPOSE), "config", "--quiet"], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()

"""The only reader of the environment: one typed object, from variables with the prefix ORDERS_ or `.env`."""

import os
from collections.abc import Mapping
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from resources.errors import PermanentError

PROJECT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """Every setting of the platform; each is described in `.env.example`."""

    model_config = SettingsConfigDict(
        env_prefix="ORDERS_",
        env_file=PROJECT / ".env",
        extra="ignore",
        env_ignore_empty=True,
        frozen=True,
        hide_input_in_errors=True,
    )

    home: Path = Field(default=PROJECT / ".orders", description="Folder of everything that is stored.")
    broker_url: SecretStr | None = Field(
        default=None, description="Where orders arrive; default: the inbox folder under ORDERS_HOME."
    )
    files_dir: Path | None = Field(default=None, description="Folder of daily CSV drops, one file a day.")
    files_mapping: Path | None = Field(
        default=None, description="TOML mapping of the CSV columns; default: the one for UCI Online Retail."
    )
    state_url: SecretStr | None = Field(
        default=None, description="Operational store (outbox); default: SQLite under ORDERS_HOME."
    )
    alert_policies: Path = Field(
        default=PROJECT / "alert_policies.yaml",
        description="Who hears of what; see docs/notifications.md.",
    )
    alert_allowed_networks: str = Field(
        default="",
        description="Networks inside that webhooks may reach, such as 10.1.0.0/16; default: none.",
    )
    alert_source: str = Field(
        default="urn:orders", min_length=1, description="Name of this installation in CloudEvents."
    )
    smtp_url: SecretStr | None = Field(
        default=None, description="Server for e-mail: smtp://user:password@host:587 or smtps://…:465."
    )
    smtp_from: str = Field(default="orders@localhost", description="Address that e-mail comes from.")
    slack_token: SecretStr | None = Field(default=None, description="Token of the Slack bot, xoxb-….")
    notifications_keep_days: int = Field(
        default=90, ge=31, description="After so many days what was told is forgotten."
    )
    metrics_port: int = Field(
        default=9464, ge=0, le=65535, description="Prometheus port of the dispatcher on 127.0.0.1; 0: none."
    )
    daemon_timeout_s: float = Field(
        default=120.0, ge=45, description="After so long without a heartbeat the daemon is told to be down."
    )
    heartbeat_url: SecretStr | None = Field(
        default=None, description="Where the dispatcher tells that it works, https:// or file:///."
    )
    heartbeat_interval_s: float = Field(default=60.0, gt=0, description="How often it tells, in seconds.")
    first_day: date = Field(default=date(2000, 1, 1), description="First daily partition of the reports.")
    max_message_bytes: int = Field(
        default=16 * 1024 * 1024, ge=1024, description="A larger message is rejected as too_large."
    )
    memory_limit: str | None = Field(
        default=None,
        pattern=r"^[0-9]+(\.[0-9]+)? ?[KMGT]i?B$",
        description="DuckDB's memory limit in the loader; default: 192MB, in stream mode 80MB.",
    )
    lock_timeout_s: float = Field(default=60.0, gt=0, description="How long to wait for a lease, in seconds.")
    freshness_hours: float = Field(
        default=36.0, gt=0, description="After how many hours without a load the tables count as stale."
    )
    stream_tell_s: float = Field(
        default=30.0, ge=1.0, description="How often stream mode tells Dagster what it did, in seconds."
    )
    backlog_limit: int = Field(
        default=10_000, ge=1, description="So many messages (inbox: files) waiting in the broker are told."
    )
    queued_runs_limit: int = Field(
        default=100, ge=1, description="So many runs waiting in Dagster's queue are told."
    )
    queued_run_s: float = Field(
        default=600.0, gt=0, description="A run that waits in the queue for longer is told; seconds."
    )
    owner: str = Field(
        default="team:data-platform", description="Owner of the assets: an e-mail or team:name."
    )
    ui_url: str = Field(default="http://127.0.0.1:3000", description="Base of the links in notices.")
    ui_port: int = Field(default=3000, ge=1, le=65535, description="Port of the web UI of `orders up`.")
    log_format: Literal["text", "json"] = Field(default="text", description="text or json, on stderr.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="WARNING", description="DEBUG, INFO, WARNING or ERROR."
    )

    @cached_property
    def root(self) -> Path:
        """ORDERS_HOME as an absolute path."""
        return self.home.expanduser().resolve()

    @property
    def landing_dir(self) -> Path:
        """The landing folder."""
        return self.root / "landing"

    @property
    def broker_memory_dir(self) -> Path:
        """Where logs keep what their positions belong to: beside the segments, which hold the positions."""
        return self.landing_dir / ".origins"

    @property
    def warehouse_path(self) -> Path:
        """The warehouse file."""
        return self.root / "warehouse" / "orders.duckdb"

    @property
    def published_dir(self) -> Path:
        """The folder of the read-only copies."""
        return self.root / "published"

    @property
    def servers_dir(self) -> Path:
        """The folder of the servers that `orders servers` runs."""
        return self.root / "servers"

    @property
    def dagster_home(self) -> Path:
        """DAGSTER_HOME of the one instance that UI, daemon and command share."""
        return self.root / "dagster"

    @property
    def health_file(self) -> Path:
        """The file in which stream mode says how it is doing."""
        return self.root / "stream.json"

    @property
    def notifications_file(self) -> Path:
        """The file that the file channel appends to."""
        return self.root / "notifications.ndjson"

    def broker_address(self) -> SecretStr:
        """Return the broker's URL, by default that of the inbox folder."""
        return self.broker_url or SecretStr(f"inbox://{quote(str(self.root / 'inbox'))}")

    def state_address(self) -> SecretStr:
        """Return the URL of the operational store."""
        return self.state_url or SecretStr(f"sqlite:///{self.root / 'state.sqlite'}")


def environment() -> Mapping[str, str]:
    """Return the variables that references in `alert_policies.yaml` are looked up in: `.env`, then ours."""
    from dotenv import dotenv_values

    written = {name: value for name, value in dotenv_values(PROJECT / ".env").items() if value}
    return {**written, **os.environ}


def read_settings(**overrides: object) -> Settings:
    """Read the settings; raises PermanentError naming each wrong variable, never its value."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        problems = "; ".join(
            f"ORDERS_{'_'.join(str(part) for part in issue['loc']).upper()}: {issue['msg']}"
            for issue in error.errors(include_input=False, include_url=False)
        )
        raise PermanentError(f"wrong settings: {problems} (see .env.example)") from None

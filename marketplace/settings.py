"""Settings: read once from the environment (prefix ``BACKSTOCK_``), frozen. Nothing is opened at import."""

from __future__ import annotations

import secrets
from functools import lru_cache
from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

# Only where the operator set none: then what was signed is good as long as the process.
_PROCESS_SECRET = secrets.token_urlsafe(32)
PLACEHOLDER = "set-me"
"""Stands in docker-compose.yml where a secret must be chosen."""


class Settings(BaseSettings):
    """Everything the operator can set. Without database URLs the embedded server in ``data_dir`` is used."""

    model_config = SettingsConfigDict(env_prefix="BACKSTOCK_", frozen=True, extra="ignore")

    data_dir: Path = Field(default=Path(".data"), description="Folder of the embedded server, files and mail.")
    database_url: str | None = Field(default=None, description="DSN of the app role (row level security applies).")
    worker_database_url: str | None = Field(default=None, description="DSN of the worker role.")
    owner_database_url: str | None = Field(default=None, description="DSN of the schema owner, for migrations.")
    admin_database_url: str | None = Field(default=None, description="DSN of a superuser: makes roles and database.")
    secret_key: str | None = Field(default=None, description="Signs bookmarks; made and kept in data_dir if unset.")
    base_url: str = Field(default="http://127.0.0.1:8000", description="Where people reach the site.")
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)
    workers: int = Field(default=1, ge=1, le=64)
    pool_size: int = Field(default=10, ge=1, le=200)
    pool_wait_seconds: float = Field(default=10.0, gt=0)
    statement_timeout_ms: int = Field(default=15_000, ge=100)
    smtp_url: str | None = Field(default=None, description="smtp://user:pass@host:port; unset: mail is kept as files.")
    mail_from: str = "Backstock <no-reply@backstock.invalid>"
    operators: str = Field(
        default="",
        description="Addresses, separated by commas, of the people who operate the site: they are mailed when a check of the ledger "
        "does not hold, and see on the status page where.",
    )
    backup_dir: Path | None = Field(default=None, description="Folder of the backups, on another disk than the data.")
    secure_cookies: bool = Field(default=False, description="True behind HTTPS: __Host- cookies with Secure.")
    session_hours: int = Field(default=12, ge=1, le=720)
    order_hold_hours: int = Field(default=48, ge=1, le=720)
    upload_limit_bytes: int = Field(
        default=256 * 1024 * 1024, ge=1024, description="Largest file to import: a million rows of stock are 70 MB."
    )
    document_quota_bytes: int = Field(
        default=4 * 1024**3, ge=1024, description="How much a company may keep in documents."
    )
    body_limit_bytes: int = Field(default=2 * 1024 * 1024, ge=1024, description="Largest body of any other request.")
    log_json: bool = True
    log_level: str = "INFO"
    demo: bool = Field(default=False, description="Show demo logins and the 'about this demo' page.")

    @field_validator("secret_key", "database_url", "worker_database_url", "owner_database_url", "admin_database_url")
    @classmethod
    def _chosen(cls, value: str | None) -> str | None:
        # docker-compose.yml must be readable without an environment; nothing starts with what everybody can read there.
        if value is not None and (value == PLACEHOLDER or f":{PLACEHOLDER}@" in value):
            raise ValueError(
                f"still says '{PLACEHOLDER}', which everybody knows: choose a secret of your own in the environment or in "
                "the .env file, for example from 'openssl rand -hex 32'"
            )
        return value

    @property
    def signing_key(self) -> str:
        """What signs bookmarks and mailed links: the operator's key, else one of this process."""
        return self.secret_key or _PROCESS_SECRET

    @property
    def operator_addresses(self) -> tuple[str, ...]:
        """The operators, one by one."""
        return tuple(a for part in self.operators.split(",") if (a := part.strip()))


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process."""
    return Settings()

"""Settings of the console, which the process that starts it writes to a file."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class Options(BaseModel):
    """Settings that `shopcat serve` has from its command line.

    Attributes:
        data: folder for the database, the receipt key and the photos kept for review.
        database: address of a PostgreSQL database; empty for the file ``console.db`` in the data folder.
        gateway: address that clients send requests to, such as ``http://127.0.0.1:8080``.
        public_url: address that browsers use instead, if a proxy or a published port stands before the gateway.
        keys: True if the gateway demands API keys, and passes on the clients' names and roles.
        receipt_key: file with the key that signs receipts; None if answers carry none.
        metrics: address of the service's metrics, whose numbers of answers are counted; empty for none.
        keep_for_review: True if photos may be kept for review where clients agree.
        retention_days: number of days after which kept photos are deleted.
        second_opinions: share of the kept photos that two people answer.
        appeal_days: number of days within which an appeal should be decided.
        given_bundles: folders of the bundles of the command line by the models' names.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: Path
    database: str = ""
    gateway: str
    public_url: str = ""
    keys: bool = False
    receipt_key: Path | None = None
    metrics: str = ""
    keep_for_review: bool = False
    retention_days: int = Field(30, ge=1)
    second_opinions: float = Field(0.1, ge=0, le=1)
    appeal_days: int = Field(14, ge=1)
    given_bundles: dict[str, Path] = {}

    @property
    def is_secure(self) -> bool:
        """True if browsers reach the pages over HTTPS."""
        return (self.public_url or self.gateway).startswith("https:")


class Settings(Options):
    """All settings of the process.

    Attributes:
        socket: Unix socket to listen on.
        bundles: folders of the served bundles by the models' names.
        service: id of the process that starts the console, which reloads the bundles on SIGHUP; None for no such one.
        reloads: number of reloads so far.
        reload_error: reason why the last reload has failed; empty if it has not.
    """

    socket: Path
    bundles: dict[str, Path] = {}
    service: int | None = None
    reloads: int = 0
    reload_error: str = ""

    @classmethod
    def read(cls, file: Path) -> "Settings":
        """Return the settings of a file."""
        return cls.model_validate_json(file.read_bytes())

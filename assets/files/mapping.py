"""The declarative mapping from the columns of a foreign export to the order contract."""

import codecs
import tomllib
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from resources.errors import PermanentError

_BUILT_IN = Path(__file__).with_name("online_retail.toml")


class FileFormat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the daily files are named and written; `name` is a strftime pattern of the day."""

    name: str
    encoding: str = "utf-8"
    delimiter: str = ","


class TimeFormat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The strptime pattern of a time, and the IANA zone of times that carry no offset."""

    format: str
    zone: str


class Columns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The column of the file that holds each contract field; None where there is none."""

    order_id: str
    placed_at: str
    sku: str
    quantity: str
    unit_price: str
    description: str | None = None
    customer_id: str | None = None
    customer_name: str | None = None
    customer_email: str | None = None
    country: str | None = None
    currency: str | None = None
    status: str | None = None

    def named(self) -> dict[str, str]:
        """Return contract field -> column, for the fields that have a column."""
        pairs = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return {name: column for name, column in pairs if column is not None}


class Constants(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The values of fields that are the same in every order of the export."""

    currency: str | None = None
    status: str | None = None


class Kind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `kind` and event type of orders whose number begins with `prefix`."""

    prefix: str
    kind: str
    event_type: str


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that is peculiar to one export."""

    source: str
    file: FileFormat
    time: TimeFormat
    columns: Columns
    kinds: tuple[Kind, ...]
    constants: Constants = Constants()
    strip_suffix: dict[str, str] = {}
    order_id_prefix: str = ""

    def file_name(self, day: date) -> str:
        """Return the name of the file that holds `day`."""
        return day.strftime(self.file.name)

    def day_of(self, file_name: str) -> date | None:
        """Return the day that a file holds, None if its name is not that of a daily file."""
        try:
            day = datetime.strptime(file_name, self.file.name).date()  # noqa: DTZ007
        except ValueError:
            return None
        return day if self.file_name(day) == file_name else None

    def kind_of(self, number: str) -> Kind:
        """Return the kind of the order that the export numbers `number`."""
        return next(kind for kind in self.kinds if number.startswith(kind.prefix))


def built_in_mapping() -> Mapping:
    """Return the mapping of UCI Online Retail, which comes with the project."""
    return load_mapping(_BUILT_IN)


def load_mapping(path: Path) -> Mapping:
    """Read a mapping from the TOML file `path`.

    Raises PermanentError that names the file and the key that is wrong or missing.
    """
    try:
        document = tomllib.loads(path.read_bytes().decode("utf-8"))
        mapping = msgspec.convert(document, Mapping)
    except OSError as error:
        raise PermanentError(
            f"the mapping {path} cannot be read ({error.strerror}): check its path and permissions"
        ) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PermanentError(f"the mapping {path} is not TOML: {error}") from error
    except msgspec.ValidationError as error:
        raise PermanentError(f"the mapping {path} does not fit: {error} (`$` is the file)") from error
    problem = _first_problem(mapping)
    if problem is not None:
        raise PermanentError(f"the mapping {path} does not fit: {problem}")
    return mapping


def _first_problem(mapping: Mapping) -> str | None:
    checks = (_file_problem, _time_problem, _fields_problem, _kinds_problem)
    return next((problem for check in checks if (problem := check(mapping))), None)


def _file_problem(mapping: Mapping) -> str | None:
    day = date(2011, 11, 22)
    if not mapping.source:
        return "`source` is empty: name the export, for example /files/my-shop"
    if "/" in mapping.file.name or mapping.day_of(mapping.file_name(day)) != day:
        return (
            f"`file.name` {mapping.file.name!r} does not name one file for each day: "
            'write a pattern such as "%Y-%m-%d.csv"'
        )
    try:
        codecs.lookup(mapping.file.encoding)
    except LookupError:
        return f'`file.encoding` {mapping.file.encoding!r} is unknown: write for example "utf-8"'
    if len(mapping.file.delimiter) != 1 or mapping.file.delimiter in '"\r\n':
        return f'`file.delimiter` {mapping.file.delimiter!r} is not one character such as ","'
    return None


def _time_problem(mapping: Mapping) -> str | None:
    moment = datetime(2011, 11, 22, 13, 14, 15)  # noqa: DTZ001
    try:
        ZoneInfo(mapping.time.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return f'`time.zone` {mapping.time.zone!r} is no time zone: write for example "Europe/London"'
    try:
        read = datetime.strptime(moment.strftime(mapping.time.format), mapping.time.format)  # noqa: DTZ007
    except ValueError:
        read = None
    if read is None or read.date() != moment.date():
        return f"`time.format` {mapping.time.format!r} does not give a date: see strptime's codes"
    return None


def _fields_problem(mapping: Mapping) -> str | None:
    named = mapping.columns.named()
    for field in ("currency", "status"):
        constant = getattr(mapping.constants, field)
        if (constant is None) == (field not in named):
            return f"`{field}` belongs in exactly one of `columns` and `constants`"
    unknown = sorted(mapping.strip_suffix.keys() - named.keys())
    if unknown:
        return f"`strip_suffix.{unknown[0]}` is no field of `columns`: {', '.join(sorted(named))}"
    return None


def _kinds_problem(mapping: Mapping) -> str | None:
    if not mapping.kinds or mapping.kinds[-1].prefix:
        return '`kinds` must end with an entry whose prefix is "": the kind of all other orders'
    early = [kind.kind for kind in mapping.kinds[:-1] if not kind.prefix]
    if early:
        return f'`kinds`: the entry {early[0]!r} has the prefix "" but is not the last'
    return None

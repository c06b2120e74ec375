"""What a column seems to be, by its name and by the pattern of its values: an identifier, personal, sensitive.

A wrong guess costs a line to delete; a missed one may cost more. So marking is generous, and always says why.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from tenure.engine.proposal.facts import Facts

_PERSONAL_NAMES = {
    frozenset({"email"}), frozenset({"mail"}), frozenset({"e", "mail"}), frozenset({"phone"}), frozenset({"telephone"}),
    frozenset({"mobile"}), frozenset({"fax"}), frozenset({"iban"}), frozenset({"ssn"}), frozenset({"bsn"}),
    frozenset({"passport"}), frozenset({"national", "id"}), frozenset({"first", "name"}), frozenset({"last", "name"}),
    frozenset({"full", "name"}), frozenset({"middle", "name"}), frozenset({"customer", "name"}),
    frozenset({"firstname"}), frozenset({"lastname"}), frozenset({"fullname"}), frozenset({"surname"}),
    frozenset({"forename"}), frozenset({"street"}), frozenset({"address"}), frozenset({"credit", "card", "number"}),
    frozenset({"card", "number"}), frozenset({"account", "number"}), frozenset({"ip"}), frozenset({"licence", "plate"}),
    frozenset({"license", "plate"}), frozenset({"dob"}), frozenset({"birth", "date"}), frozenset({"birthdate"}),
    frozenset({"birthday"}), frozenset({"user", "name"}), frozenset({"username"}), frozenset({"strasse"}),
    frozenset({"adresse"}), frozenset({"telefon"}), frozenset({"vorname"}), frozenset({"nachname"}),
}  # fmt: skip
_PERSONAL_VALUES: dict[str, re.Pattern[str]] = {
    "e-mail addresses": re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}"),
    "bank account numbers (IBAN)": re.compile(r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?"),
    "social security numbers": re.compile(r"\d{3}-\d{2}-\d{4}"),
    "card numbers": re.compile(r"\d{4}([ -])\d{4}\1\d{4}\1\d{4}"),
    "IP addresses": re.compile(r"(?:\d{1,3}\.){3}\d{1,3}"),
    "phone numbers": re.compile(r"(?:\+\d|\(\d|0\d)[\d ()./-]{6,18}\d(?: ?x\d+)?"),
}
_SENSITIVE_NAMES = {
    "age": "age", "gender": "gender", "sex": "gender", "race": "race", "ethnicity": "ethnicity", "ethnic": "ethnicity",
    "religion": "religion", "religious": "religion", "faith": "religion", "nationality": "nationality",
    "citizenship": "nationality", "disability": "disability", "disabled": "disability", "marital": "marital status",
    "married": "marital status", "marriage": "marital status", "pregnant": "pregnancy", "pregnancy": "pregnancy",
    "orientation": "sexual orientation", "political": "politics", "birth": "age", "dob": "age", "birthdate": "age",
    "birthday": "age", "birthplace": "origin", "skin": "race", "alter": "age", "geschlecht": "gender",
    "nationalität": "nationality",
}  # fmt: skip
_SENSITIVE_VALUES: dict[str, frozenset[str]] = {
    "gender": frozenset(
        {"male", "female", "man", "woman", "non-binary", "nonbinary", "divers", "männlich", "weiblich"}
    ),
    "marital status": frozenset(
        {"single", "married", "divorced", "widowed", "separated", "never-married", "unmarried", "cohabiting"}
    ),
    "race": frozenset(
        {"white", "black", "asian", "hispanic", "caucasian", "latino", "african-american", "indigenous"}
    ),
    "religion": frozenset(
        {"christian", "muslim", "hindu", "buddhist", "jewish", "sikh", "atheist", "catholic", "protestant"}
    ),
}
_ENTITIES = frozenset(
    {"customer", "user", "patient", "client", "account", "subject", "household", "person", "member", "employee",
     "student", "borrower", "applicant", "participant", "respondent", "driver", "passenger", "tenant"}
)  # fmt: skip
_IDS = frozenset({"id", "uuid", "guid", "identifier", "rowid", "index", "unnamed", "rownames", "rownum"})
_NUMBERS = frozenset({"no", "nr", "number", "key", "code", "ref", "reference", "num"})
_LIKE = 0.8
"""Share of the values that have to fit a pattern."""


def words(name: str) -> tuple[str, ...]:
    """The words of a name in lower case: `customerId`, `customer_id` and `Customer ID` are the same."""
    spaced = re.sub(r"([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])", r"\1\3 \2\4", name)
    return tuple(word.casefold() for word in re.split(r"[\W_]+", spaced) if word)


def personal(column: Facts) -> str | None:
    """Why a column seems to hold personal data that identify somebody; None when it does not."""
    if column.known == 0:
        return None
    said = words(column.name)
    # Yes or no is whether there is one, or by which way somebody came: `mobile_booking`.
    flag = column.type != "string" and column.distinct <= 2
    for wanted in _PERSONAL_NAMES:
        if wanted <= set(said) and not flag:
            return "by its name"
    if said[-1:] == ("name",) and column.type == "string" and _share(column, _like_a_person) >= _LIKE:
        return "by its name, and values of several capitalised words"
    for what, pattern in _PERSONAL_VALUES.items():
        if _share(column, _like(pattern)) >= _LIKE:
            return f"its values look like {what}"
    return None


def sensitive(column: Facts) -> str | None:
    """Which protected characteristic a column seems to hold, and how that was seen; None when it does not."""
    for word in words(column.name):
        if word in _SENSITIVE_NAMES:
            return f"{_SENSITIVE_NAMES[word]}, by its name"
    values = {value.strip().casefold() for value, _ in column.listed if isinstance(value, str)}
    for what, known in _SENSITIVE_VALUES.items():
        if len(values & known) >= 2 and len(values & known) * 2 >= len(values):
            return f"{what}, by its values"
    return None


def identifier(column: Facts) -> str | None:
    """Why a column seems to identify rows rather than describe them; None when it does not."""
    said = words(column.name)
    named = bool(_IDS & set(said)) or said[-1:] in tuple((word,) for word in _NUMBERS)
    if column.unique and column.known > 20:
        if column.type == "string" and not _prose(column):
            return "every row has another text"
        if column.type == "integer" and (named or column.ascending):
            return "it numbers the rows"
    if column.type in ("string", "integer") and named and _IDS & set(said) and column.distinct > 50:
        return f"by its name; {column.distinct:,} different values"
    return None


def entity(column: Facts) -> bool:
    """Whether a column names whom a row is about, and several rows are about the same one."""
    said = set(words(column.name))
    # An id of nobody in particular, with few values, is a code: of a product, a shop, a kind of vehicle.
    fewest = 20 if said & _ENTITIES else 200
    named = bool(said & _ENTITIES) or bool(said & {"id", "uuid", "guid"})
    plain = column.type in ("string", "integer") and column.nulls == 0
    return named and plain and column.distinct >= fewest and column.rows >= 1.2 * column.distinct


def free_text(column: Facts) -> str | None:
    """Why a column of text is no category; None when it is one."""
    if column.type != "string":
        return None
    if column.unique and _prose(column):
        return f"free text, {column.length:.0f} characters on average"
    if column.known > 50 and column.distinct > 0.5 * column.known:
        return f"{column.distinct:,} different texts in {column.known:,} rows"
    return None


def _like(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda value: pattern.fullmatch(value.strip()) is not None


def _prose(column: Facts) -> bool:
    return column.length > 25 and _share(column, lambda value: value.count(" ") >= 3) >= _LIKE


def _like_a_person(value: str) -> bool:
    parts = re.findall(r"\w[\w.'-]*", value)
    return (
        2 <= len(parts) <= 8
        and sum(part[0].isupper() for part in parts) >= 2
        and not any(map(str.isdigit, parts))
    )


def _share(column: Facts, fits: Callable[[str], bool]) -> float:
    sample: Iterable[str] = column.sample
    found = [fits(value) for value in sample]
    return sum(found) / len(found) if found else 0.0

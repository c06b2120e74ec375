from __future__ import annotations

import pytest

from tenure.engine.proposal import meaning
from tenure.engine.proposal.facts import Facts


def column(name, values, kind="string"):
    known = [value for value in values if value is not None]
    distinct = list(dict.fromkeys(known))
    return Facts(
        name,
        kind,
        rows=len(values),
        known=len(known),
        distinct=len(distinct),
        listed=tuple((value, known.count(value)) for value in distinct) if len(distinct) <= 20 else (),
        sample=tuple(map(str, distinct[:300])) if kind == "string" else (),
        length=sum(len(str(v)) for v in known) / max(len(known), 1),
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [("customerId", ("customer", "id")), ("Customer ID", ("customer", "id")), ("HTTPStatus", ("http", "status")),
     ("bill_length_mm", ("bill", "length", "mm")), ("größe", ("grösse",))],
)  # fmt: skip
def test_names_are_taken_apart(name, said):
    assert meaning.words(name) == said


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("email", ["x"] * 9),
        ("EMailAddress", ["x"] * 9),
        ("contact", [f"a{i}@b.org" for i in range(9)]),
        ("tel", [f"+31 6 1234 567{i}" for i in range(9)]),
        ("call", [f"(020) 555-010{i}" for i in range(9)]),
        ("account", [f"NL91 ABNA 0417 1643 0{i}" for i in range(9)]),
        ("a", [f"123-45-678{i}" for i in range(9)]),
        ("a", [f"10.0.0.{i}" for i in range(9)]),
        ("a", [f"4111 1111 1111 111{i}" for i in range(9)]),
        ("Name", ["Braund, Mr. Owen Harris", "Heikkinen, Miss. Laina", "Allen, Mr. William Henry"]),
        ("first_name", ["Ada", "Alan"]),
        ("date_of_birth", ["1990-01-01"]),
    ],
)
def test_personal_data_are_recognised(name, values):
    assert meaning.personal(column(name, values))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("product_name", ["chair", "table"]),
        ("date", ["2024-01-01", "2024-02-03"]),
        ("version", ["1.2", "3.4"]),
        ("price", ["1 234,50", "99,00"]),
        ("description", ["A long text about nothing in particular"]),
        ("code", ["0201", "0305"]),
        ("empty", [None, None]),
    ],
)
def test_other_data_are_not_personal(name, values):
    assert meaning.personal(column(name, values)) is None


def test_whether_somebody_has_one_is_not_personal():
    assert meaning.personal(column("mobile_site_booking", [0, 1] * 9, "integer")) is None
    assert meaning.personal(column("mobile", list(range(100)), "integer"))


@pytest.mark.parametrize(
    ("name", "values", "what"),
    [
        ("age", ["1"], "age"),
        ("Sex", ["m"], "gender"),
        ("maritalStatus", ["x"], "marital status"),
        ("native_nationality", ["x"], "nationality"),
        ("x1", ["Male", "Female"], "gender"),
        ("x2", ["Married", "Divorced", "Never-married"], "marital status"),
        ("x3", ["White", "Black", "Other"], "race"),
    ],
)
def test_sensitive_columns_are_recognised(name, values, what):
    assert meaning.sensitive(column(name, values)).startswith(what)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("usage", ["1"]),
        ("page", ["1"]),
        ("colour", ["white", "black", "red", "blue", "green"]),
        ("essex", ["a"]),
    ],
)
def test_other_columns_are_not_sensitive(name, values):
    assert meaning.sensitive(column(name, values)) is None


def test_identifiers_entities_and_texts():
    assert meaning.identifier(column("order_id", list(range(0, 900, 7)), "integer"))
    assert meaning.identifier(column("code", [f"k{i}" for i in range(60)]))
    assert meaning.identifier(column("amount", list(range(0, 900, 7)), "integer")) is None
    assert meaning.identifier(column("id_type", ["a", "b"] * 30)) is None
    assert meaning.entity(column("patient", [f"p{i % 30}" for i in range(90)]))
    assert not meaning.entity(column("patient", ["a", "b"] * 50))
    # A code of few things is no entity: rows that share it are about the same kind, not about the same one.
    assert not meaning.entity(column("vehicle_model_id", [i % 30 for i in range(900)], "integer"))
    assert meaning.entity(column("device_id", [i % 300 for i in range(900)], "integer"))
    assert meaning.free_text(column("note", [f"{i} some words that make a text of it" for i in range(60)]))
    assert meaning.free_text(column("town", ["Delft", "Leiden"] * 40)) is None

"""What the server answers: both protocols, metadata, and every way a request can be wrong."""

from __future__ import annotations

import http.client
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

ROW = {"age": 31.5, "visits": 4, "plan": "basic"}


def tensor(name: str, datatype: str, data: list[Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": [len(data)], "data": data} | more


def tensors(**changes: Any) -> dict[str, Any]:
    given = {
        "age": tensor("age", "FP64", [31.5]),
        "visits": tensor("visits", "INT64", [4]),
        "plan": tensor("plan", "BYTES", ["basic"]),
    } | changes
    return {"inputs": [item for item in given.values() if item is not None]}


def expected(world: Any, rows: list[dict[str, Any]]) -> np.ndarray:
    """The probabilities of the recorded predictor itself."""
    from tenure.stages.deployment.versions import load_version

    record = world.store.read("churn").versions[1]
    table = pa.table(
        {
            "age": [r["age"] for r in rows],
            "visits": [r["visits"] for r in rows],
            "plan": [r["plan"] for r in rows],
        }
    )
    return load_version(world.artifacts, record).predict(table).probabilities


def test_plain_rows_get_the_predictions_of_the_recorded_model(shared, asking):
    rows = [ROW, ROW | {"age": 77.0}, ROW | {"visits": None, "plan": "gold"}]
    status, headers, document = asking.predict({"rows": rows})
    assert status == 200
    assert (document["model"], document["version"], headers["x-model-version"]) == ("churn", 1, "1")
    given = [[p["probabilities"]["no"], p["probabilities"]["yes"]] for p in document["predictions"]]
    np.testing.assert_allclose(given, expected(shared[0], rows), rtol=1e-12)
    assert [p["prediction"] for p in document["predictions"]] == ["no", "yes", "no"]
    assert len({p["id"] for p in document["predictions"]}) == 3


@pytest.mark.parametrize("body", [ROW, [ROW], {"rows": [ROW], "id": "r-1"}])
def test_one_object_a_list_and_rows_are_the_same_request(asking, body):
    status, _, document = asking.predict(body)
    assert status == 200
    assert document["predictions"][0]["prediction"] == "no"


def test_a_body_sent_with_curl_and_nothing_else_is_taken_as_json(asking):
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert asking("POST", "/models/churn/predict", ROW, form)[0] == 200


def test_no_rows_get_no_predictions(asking):
    assert asking.predict([])[2]["predictions"] == []


def test_a_large_batch_is_answered_like_its_rows_alone(asking):
    rows = [ROW | {"age": 20.0 + i} for i in range(60)]
    together = asking.predict(rows)[2]["predictions"]
    for row, answer in list(zip(rows, together, strict=True))[::13]:
        alone = asking.predict(row)[2]["predictions"][0]
        assert alone["probabilities"]["yes"] == pytest.approx(answer["probabilities"]["yes"], abs=1e-12)


def test_what_training_never_saw_is_answered_and_flagged(client):
    status, _, document = client.predict(ROW | {"plan": "platinum", "age": 17.0})
    assert status == 200
    assert document["predictions"][0]["flags"] == [
        {"field": "age", "code": "out_of_range"},
        {"field": "plan", "code": "unseen"},
    ]
    metrics = client("GET", "/metrics")[2]
    assert 'tenure_flagged_values_total{code="unseen",field="plan",model="churn"} 1.0' in metrics


def test_event_time_id_and_target_may_come_along(asking):
    status, _, _ = asking.predict(ROW | {"date": "2026-05-01", "order_id": 7, "stays": "yes"})
    assert status == 200


# --- V2 ---------------------------------------------------------------------------------------------------------


def test_health_and_server_metadata(asking):
    assert asking("GET", "/v2/health/live")[2] == {"live": True}
    assert asking("GET", "/v2/health/ready")[2] == {"ready": True}
    assert asking("GET", "/v2")[2]["name"] == "tenure"
    assert asking("GET", "/v2/models/churn/ready")[2] == {"name": "churn", "ready": True}
    assert asking("GET", "/v2/models/churn/versions/1/ready")[0] == 200


def test_model_metadata_names_the_tensors_the_versions_and_the_endpoint(shared, asking):
    status, headers, document = asking("GET", "/v2/models/churn")
    record = shared[0].store.read("churn").records["deployment/endpoint"]
    assert status == 200
    assert headers["x-tenure-endpoint"] == record.digest == document["parameters"]["endpoint"]
    assert document["versions"] == ["1"]
    assert [(t["name"], t["datatype"], t["shape"]) for t in document["inputs"]] == [
        ("age", "FP64", [-1]), ("visits", "INT64", [-1]), ("plan", "BYTES", [-1]),
    ]  # fmt: skip
    assert document["inputs"][2]["parameters"]["categories"] == ["basic", "gold"]
    assert [t["name"] for t in document["outputs"]] == ["prediction", "probabilities"]
    assert asking("HEAD", "/v2/models/churn")[2] == ""


def test_tensors_and_plain_rows_agree(asking):
    plain = asking.predict()[2]["predictions"][0]
    status, _, document = asking("POST", "/v2/models/churn/infer", tensors() | {"id": "abc"})
    assert status == 200
    assert (document["model_name"], document["model_version"], document["id"]) == ("churn", "1", "abc")
    prediction, probabilities = document["outputs"]
    assert (prediction["datatype"], prediction["shape"], prediction["data"]) == ("BYTES", [1], ["no"])
    assert probabilities["shape"] == [1, 2]
    assert probabilities["parameters"]["classes"] == ["no", "yes"]
    assert probabilities["data"] == pytest.approx(list(plain["probabilities"].values()), abs=1e-12)


@pytest.mark.parametrize(
    "changes",
    [
        {"age": tensor("age", "FP32", [31.5])},
        {"age": tensor("age", "INT32", [31])},
        {"visits": tensor("visits", "FP64", [4.0])},
        {"visits": tensor("visits", "INT64", [None])},
        {"visits": tensor("visits", "INT64", [[4]], shape=[1, 1])},
        {"plan": tensor("plan", "BYTES", ["YmFzaWM="], parameters={"content_type": "base64"})},
        {"plan": tensor("plan", "BYTES", ["basic"], parameters={"content_type": "str"})},
        {"order_id": tensor("order_id", "BYTES", ["o-1"])},
    ],
)
def test_tensors_that_fit(asking, changes):
    status, _, document = asking("POST", "/v2/models/churn/versions/1/infer", tensors(**changes))
    assert status == 200, document
    assert document["outputs"][0]["data"] == ["no"]


def test_only_the_outputs_that_were_asked_for(asking):
    _, _, document = asking(
        "POST", "/v2/models/churn/infer", tensors() | {"outputs": [{"name": "probabilities"}]}
    )
    assert [output["name"] for output in document["outputs"]] == ["probabilities"]


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"plan": None}, 422, "the field 'plan' is missing"),
        ({"plan": tensor("plan", "INT64", [3])}, 422, "must be text"),
        ({"age": tensor("age", "FP64", ["old"])}, 400, "'age' is FP64"),
        ({"age": tensor("age", "BOOL", [1])}, 400, "'age' is BOOL"),
        ({"age": tensor("age", "FP64", [1.0, 2.0])}, 400, "same number of rows"),
        ({"age": tensor("age", "FP64", [1.0], shape=[2])}, 400, "has shape [2] and 1 values"),
        ({"age": tensor("age", "FP64", [1.0], shape=[1, 3])}, 400, "[rows] or [rows, 1]"),
        ({"age": tensor("age", "FP64", [1.0], shape="1")}, 400, "needs a shape"),
        ({"age": tensor("age", "FP99", [1.0])}, 400, "unknown datatype 'FP99'"),
        ({"age": {"name": "age", "shape": [1], "datatype": "FP64"}}, 400, 'needs a list, "data"'),
        ({"age": 3}, 400, 'must be an object with "name"'),
        ({"again": tensor("plan", "BYTES", ["gold"])}, 400, "comes twice"),
        ({"plan": tensor("plan", "BYTES", ["!"], parameters={"content_type": "base64"})}, 400, "not base64"),
        (
            {"plan": tensor("plan", "BYTES", ["x"], parameters={"content_type": "hg"})},
            400,
            "unknown content_type",
        ),
    ],
)
def test_tensors_that_do_not_fit(asking, changes, status, words):
    given, _, document = asking("POST", "/v2/models/churn/infer", tensors(**changes))
    assert given == status
    assert words in document["detail"]
    assert words in document["error"], "clients of the protocol look at `error`"


@pytest.mark.parametrize(
    "body",
    [[], {}, {"inputs": 3}, {"inputs": []}, {"inputs": [], "outputs": 3}, tensors() | {"outputs": ["x"]}],
)
def test_what_is_no_inference_request_at_all(asking, body):
    assert asking("POST", "/v2/models/churn/infer", body)[0] == 400


# --- bad requests -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "errors"),
    [
        (ROW | {"age": "old"}, [("age", "type")]),
        (ROW | {"age": None}, [("age", "null")]),
        (ROW | {"age": True, "visits": 1.5}, [("age", "type"), ("visits", "type")]),
        ({"age": 31.5, "visits": 4}, [("plan", "missing")]),
        ({}, [("age", "missing"), ("visits", "missing"), ("plan", "missing")]),
        (ROW | {"agee": 3}, [("agee", "unknown_field")]),
        (ROW | {"plan": 5}, [("plan", "type")]),
        (ROW | {"plan": ["basic"]}, [("plan", "type")]),
        (ROW | {"visits": 2**70}, [("visits", "type")]),
        ("basic", [("", "not_an_object")]),
        (None, [("", "not_an_object")]),
    ],
)
def test_rows_that_do_not_fit_name_every_field(asking, row, errors):
    status, headers, document = asking.predict({"rows": [ROW, row]})
    assert status == 422
    assert headers["content-type"] == "application/problem+json"
    assert [(e["row"], e["field"], e["code"]) for e in document["errors"]] == [
        (1, *error) for error in errors
    ]
    assert document["error_count"] == len(errors)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, "empty"),
        (b"{", 400, "not JSON"),
        (b'{"age": NaN}', 400, "send null"),
        (b'{"age": -Infinity}', 400, "send null"),
        (b"\xff\xfe", 400, "not JSON"),
        (b"[" * 100_000, 400, "not JSON"),
        (b"3", 400, "Send {"),
        (b'{"rows": 3}', 400, "must be a list"),
        (b'{"rows": [], "row": 1}', 400, "not 'row'"),
        (json.dumps([ROW] * 101).encode(), 413, "101 rows"),
        (b" " * 100_001, 413, "100000 bytes"),
    ],
)
def test_bodies_that_cannot_be_read(asking, body, status, words):
    given, headers, document = asking("POST", "/models/churn/predict", body)
    assert given == status, document
    assert words in document["detail"]
    assert headers["content-type"] == "application/problem+json"
    assert document["status"] == status


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("POST", "/models/chrun/predict", 404, "Did you mean 'churn'?"),
        ("GET", "/v2/models/nothing", 404, "no model 'nothing'"),
        ("GET", "/v2/models/churn/versions/7", 404, "live now: 1"),
        ("POST", "/v2/models/churn/versions/x/infer", 404, "'x'"),
        ("GET", "/models/churn/predict", 405, "use POST"),
        ("DELETE", "/v2/models/churn", 405, "use GET"),
        ("GET", "/etc/passwd", 404, "nothing at"),
        ("GET", "/", 404, "nothing at"),
    ],
)
def test_wrong_addresses(asking, method, path, status, words):
    given, _, document = asking(method, path, tensors() if method == "POST" else None)
    assert given == status
    assert words in document["detail"]


@pytest.mark.parametrize(
    "headers",
    [{"Content-Type": "text/csv"}, {"Content-Encoding": "gzip"}, {"Inference-Header-Content-Length": "10"}],
)
def test_other_media_types_are_refused(asking, headers):
    assert asking("POST", "/models/churn/predict", ROW, headers)[0] == 415


def test_a_chunked_body_over_the_limit_is_refused_while_it_arrives(shared):
    host = shared[1].url.removeprefix("http://")
    for chunks, status in ((3, 200), (120, 413)):
        connection = http.client.HTTPConnection(host, timeout=20)
        body = iter([json.dumps(ROW).encode(), *[b" " * 1000] * chunks])
        chunked = {"Transfer-Encoding": "chunked"}
        connection.request("POST", "/models/churn/predict", body, chunked, encode_chunked=True)
        assert connection.getresponse().status == status
        connection.close()


def test_a_body_far_over_the_limit_is_refused_without_reading_it(shared):
    connection = http.client.HTTPConnection(shared[1].url.removeprefix("http://"), timeout=20)
    connection.putrequest("POST", "/models/churn/predict")
    connection.putheader("Content-Length", str(10**12))
    connection.endheaders()
    response = connection.getresponse()
    assert response.status == 413
    assert json.loads(response.read())["max_body"] == 100_000
    connection.close()


def test_the_server_still_answers_after_all_that(asking):
    asking("POST", "/models/churn/predict", b"{")
    assert asking.predict()[0] == 200


def test_requests_are_counted_by_answer_and_never_by_what_a_caller_wrote(client):
    client.predict()
    client.predict({"rows": [3]})
    client("POST", "/models/nobody/predict", ROW)
    metrics = client("GET", "/metrics")[2]
    assert 'tenure_requests_total{model="churn",status="200",version="1"} 1.0' in metrics
    assert 'tenure_requests_total{model="churn",status="422",version="1"} 1.0' in metrics
    assert 'tenure_requests_total{model="",status="404",version=""} 1.0' in metrics
    assert 'tenure_rows_total{model="churn",version="1"} 1.0' in metrics
    assert "nobody" not in metrics

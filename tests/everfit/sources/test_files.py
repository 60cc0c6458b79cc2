"""Files of every kind come in as one stream of Arrow batches in the lake's types."""

import gzip
import json
from pathlib import Path

import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from everfit import sources
from everfit.errors import DataError, NoFiles, SourceError
from everfit.sources import csv as csv_source
from everfit.sources import jsonl as jsonl_source

ROWS = "a,b,c\n1,2.5,x\n2,,y\n"
MOMENT = pa.timestamp("us")


def read(where: str, base: Path) -> pa.Table:
    """Read the one batch that `where` stands for, once more when its types turn out wider."""
    [source] = sources.open_source(where, base=base)
    for _ in range(3):
        try:
            return source.reader().read_all()
        except sources.Widened:
            continue
    raise AssertionError("the types never settled")


def types(table: pa.Table) -> dict[str, str]:
    return {field.name: str(field.type) for field in table.schema}


def csv(tmp_path: Path, text: str, name: str = "data.csv") -> pa.Table:
    (tmp_path / name).write_text(text, encoding="utf-8")
    return read(name, tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("d.csv", ROWS.encode()),
        ("d.CSV", ROWS.encode()),
        ("d.tsv", ROWS.replace(",", "\t").encode()),
        ("d.csv.gz", gzip.compress(ROWS.encode(), mtime=0)),
        ("semicolon.csv", ROWS.replace(",", ";").encode()),
        ("bom.csv", b"\xef\xbb\xbf" + ROWS.encode()),
        ("d.jsonl", b'{"a": 1, "b": 2.5, "c": "x"}\n\n{"a": 2, "c": "y"}\n'),
        ("d.ndjson.gz", gzip.compress(b'{"a": 1, "b": 2.5, "c": "x"}\n{"a": 2, "b": null, "c": "y"}', mtime=0)),
    ],
)
def test_the_same_rows_come_out_of_every_text_format(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    table = read(name, tmp_path)
    assert types(table) == {"a": "int64", "b": "double", "c": "string"}
    assert table.to_pydict() == {"a": [1, 2], "b": [2.5, None], "c": ["x", "y"]}


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "2"], "int64"),
        (["1", "2.5"], "double"),
        (["1", "abc"], "string"),
        ([" 1", "2 "], "int64"),
        (["007", "012"], "string"),
        (["0.5", "0"], "double"),
        (["0x1F", "3"], "string"),
        (["1", "?"], "string"),
        (["true", "FALSE"], "bool"),
        (["yes", "no"], "string"),
        (["2024-01-01", "2024-02-01 10:30"], "timestamp[us]"),
        (["2024-01-01T10:00:00Z", "2024-01-01T10:00:00+02:00"], "timestamp[us]"),
        (["01/02/2024", "02/02/2024"], "string"),
        (["inf", "1.5"], "double"),
        (["1e30", "123456789012345678901.5"], "double"),
        (["-9223372036854775808", "1.5"], "double"),
        (["12345678901234567890", "1"], "string"),
        ([" 12345678901234567890", "1.5"], "string"),
        (["", "NA"], "null"),
    ],
)
def test_a_csv_column_gets_the_narrowest_type_that_holds_it(tmp_path, values, kind):
    table = csv(tmp_path, "k,x\n" + "".join(f"r,{value}\n" for value in values))
    assert types(table)["x"] == kind


@pytest.mark.parametrize(
    ("name", "text", "names"),
    [
        ("x.tsvs/f.csv", "id,x\n1,2\n", ["id", "x"]),
        ("my.tsv.csv", "id,x\n1,2\n", ["id", "x"]),
        ("d.csv", '"Temperature, °C";"Humidity, %";cnt\n1;2;3\n', ["Temperature, °C", "Humidity, %", "cnt"]),
        ("d.csv", '"a ""x;y;z"" b",c\n1,2\n', ['a "x;y;z" b', "c"]),
        ("d.csv", '"a, b\nc, d";e\n1;2\n', ["a, b\nc, d", "e"]),
    ],
)
def test_the_delimiter_is_what_stands_between_the_names(tmp_path, name, text, names):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    assert csv(tmp_path, text, name).column_names == names


def test_rows_that_two_stray_quotes_made_one_value_of_are_not_lost_in_silence(tmp_path):
    lines = [f"{n},x,{n / 2}" for n in range(60)]
    lines[10], lines[50] = '10,"x,5.0', '50,x","25.0'
    with pytest.raises(SourceError, match=r"one value of 'b' holds 40 lines, among them whole rows"):
        csv(tmp_path, "\n".join(["a,b,c", *lines]))


def test_a_text_of_several_lines_is_one_value(tmp_path):
    text = "one, with a comma\nand another line,\n\nthen, the end"
    assert csv(tmp_path, f'a,b,c\n1,"{text}",2\n')["b"].to_pylist() == [text]


def test_the_words_for_nothing_are_null_in_every_column_and_a_question_mark_is_not(tmp_path):
    table = csv(tmp_path, "n,s\n1,a\n" + "".join(f"{w},{w}\n" for w in ["", "NA", "NaN", "null", "N/A"]) + "2,?\n")
    assert table["n"].to_pylist() == [1, None, None, None, None, None, 2]
    assert table["s"].to_pylist() == ["a", None, None, None, None, None, "?"]


@pytest.mark.parametrize(
    ("delimiter", "written", "read"),
    [
        (";", ["1,5", "-2", "1.234,25"], [1.5, -2.0, 1234.25]),
        (";", ["0,125", "12,000", ""], [0.125, 12.0, None]),
        (",", ['"1,500"', "20", '"1,000,000.5"'], [1500.0, 20.0, 1000000.5]),
        (",", ['"1,500"', "20", ""], [1500, 20, None]),
        ("\t", ["1,5", "2,25", "3"], [1.5, 2.25, 3.0]),
        (";", ["1,5", "2.5", "x"], ["1,5", "2.5", "x"]),
        (",", ['"1,5"', '"12,50"', "1"], ["1,5", "12,50", "1"]),
        (";", ["007,5", "1,5", "2,5"], ["007,5", "1,5", "2,5"]),
    ],
)
def test_commas_in_numbers_are_read_as_people_mean_them_or_not_at_all(tmp_path, delimiter, written, read):
    text = "\n".join([f"n{delimiter}s", *(f"{value}{delimiter}z" for value in written)])
    table = csv(tmp_path, text, "d.tsv" if delimiter == "\t" else "d.csv")
    assert table["n"].to_pylist() == read


@pytest.mark.parametrize(
    ("values", "read"),
    [
        ([*(["1.234"] * 40), "1.234,5"], [*([1234.0] * 40), 1234.5]),
        ([*(["1.5"] * 40), "2,5"], [*(["1.5"] * 40), "2,5"]),
        ([*(["1,5"] * 40), *(["1.5"] * 40)], [*(["1,5"] * 40), *(["1.5"] * 40)]),
    ],
)
def test_what_a_dot_means_is_the_same_in_all_rows_of_a_column(tmp_path, monkeypatch, values, read):
    monkeypatch.setattr(csv_source, "BLOCK", 64)
    text = "n;s\n" + "".join(f"{value};z\n" for value in values)
    assert csv(tmp_path, text)["n"].to_pylist() == read
    assert sources.sample("data.csv", base=tmp_path)["n"].tolist() == read


def test_a_late_value_that_is_no_number_leaves_the_whole_column_as_it_was_written(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_source, "BLOCK", 64)
    values = [*(["1,5"] * 40), "none", "2,5"]
    table = csv(tmp_path, "n;s\n" + "".join(f"{value};z\n" for value in values))
    assert table["n"].to_pylist() == values


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("d.csv", gzip.compress(ROWS.encode(), mtime=0), "compressed with gzip"),
        ("d.jsonl", gzip.compress(b"{}", mtime=0), "compressed with gzip"),
        ("d.csv", "a,b\n1,2\n".encode("utf-16"), "UTF-16"),
        ("d.csv", b"PAR1....", "a Parquet file"),
        ("d.csv", b"PK\x03\x04....", "Excel"),
        ("d.csv.gz", ROWS.encode(), "cannot be read"),
        ("d.xlsx", b"PK", "Save it as one of these: .csv"),
        ("d.csv", "a,b\nZürich,1\n".encode("latin-1"), "not UTF-8"),
        ("d.csv", b"a,_row\n1,2\n", "named _row, which everfit needs"),
    ],
)
def test_a_file_that_is_something_else_than_its_name_says_is_told_so(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError) as caught:
        sources.sample(name, base=tmp_path)
    assert says in str(caught.value)
    assert caught.value.do


def test_times_with_a_zone_become_naive_utc(tmp_path):
    table = csv(tmp_path, "t\n2024-01-01T10:00:00+02:00\n")
    assert table["t"].to_pylist() == [pd.Timestamp("2024-01-01 08:00")]


@pytest.mark.parametrize(
    ("late", "kind", "first"),
    [("2.5", "double", 1.0), ("abc", "string", "1"), ("2024-01-01", "string", "1"), ("007", "string", "1")],
)
def test_a_late_value_that_contradicts_the_first_block_widens_the_column(tmp_path, monkeypatch, late, kind, first):
    monkeypatch.setattr(csv_source, "BLOCK", 1000)
    table = csv(tmp_path, "n,x\n" + "1,a\n" * 1000 + f"{late},b\n" + "3,c\n" * 1000)
    assert types(table)["n"] == kind
    assert table["n"][0].as_py() == first
    assert len(table) == 2001


def test_text_keeps_its_spelling_when_a_column_turns_out_to_be_text(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_source, "BLOCK", 1000)
    table = csv(tmp_path, "n\n" + "1.50\n" * 1000 + "abc\n")
    assert table["n"][0].as_py() == "1.50"


def test_a_file_is_read_twice_at_most_however_many_columns_widen(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_source, "BLOCK", 1000)
    names = [f"c{n}" for n in range(20)]
    rows = [["1"] * 20 for _ in range(500)]
    for n in range(20):
        rows[100 + 10 * n][n] = "x" if n % 2 else "1.5"
    (tmp_path / "d.csv").write_text("\n".join(",".join(row) for row in [names, *rows]))
    [source] = sources.open_source("d.csv", base=tmp_path)
    with pytest.raises(sources.Widened):
        source.reader().read_all()
    assert source.reader().read_all().num_rows == 500


def test_json_keys_that_come_late_are_null_before(tmp_path, monkeypatch):
    monkeypatch.setattr(jsonl_source, "BLOCK", 2)
    lines = [{"a": 1}, {"a": 2}, {"a": 3.5, "late": "2024-01-01"}, {"b": True}]
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, lines)))
    table = read("d.jsonl", tmp_path)
    assert types(table) == {"a": "double", "late": "timestamp[us]", "b": "bool"}
    assert table["a"].to_pylist() == [1.0, 2.0, 3.5, None]


def test_json_values_of_several_types_meet_as_text(tmp_path):
    (tmp_path / "d.jsonl").write_text('{"a": 1}\n{"a": "x"}\n{"a": true}\n')
    assert read("d.jsonl", tmp_path)["a"].to_pylist() == ["1", "x", "true"]


def test_json_ids_beyond_int64_stay_what_they_are(tmp_path):
    (tmp_path / "d.jsonl").write_text('{"a": 12345678901234567890}\n{"a": 12345678901234567891}\n{"a": 1.5}\n')
    assert read("d.jsonl", tmp_path)["a"].to_pylist() == ["12345678901234567890", "12345678901234567891", "1.5"]


def test_whole_decimals_are_whole_numbers_or_refused(tmp_path):
    from decimal import Decimal

    def came(value: int) -> pa.Table:
        pq.write_table(pa.table({"id": pa.array([Decimal(value)], pa.decimal128(20, 0))}), tmp_path / "d.parquet")
        return read("d.parquet", tmp_path)

    assert came(2**53 + 1)["id"].to_pylist() == [2**53 + 1]
    with pytest.raises(DataError, match="'id' holds whole numbers above"):
        came(2**63)


def test_every_arrow_type_becomes_one_of_five(tmp_path):
    from datetime import date, time
    from decimal import Decimal

    zone = pa.timestamp("ns", "Europe/Berlin")
    table = pa.table(
        {
            "u8": pa.array([1, None], pa.uint8()),
            "f16": pa.array([0.5, float("nan")], pa.float32()),
            "dec": pa.array([Decimal("1.25"), None]),
            "dict": pa.array(["x", None]).dictionary_encode(),
            "large": pa.array(["x", None], pa.large_string()),
            "day": pa.array([date(2024, 1, 1), None]),
            "clock": pa.array([time(10, 30), None]),
            "zoned": pa.array([pd.Timestamp("2024-07-01 10:00"), None], pa.timestamp("us", "UTC")).cast(zone),
            "seconds": pa.array([1500, None], pa.duration("ms")),
            "flag": pa.array([True, None]),
            "nothing": pa.nulls(2),
        }
    )
    pq.write_table(table, tmp_path / "d.parquet")
    read_back = read("d.parquet", tmp_path)
    assert types(read_back) == {
        "u8": "int64",
        "f16": "double",
        "dec": "double",
        "dict": "string",
        "large": "string",
        "day": "timestamp[us]",
        "clock": "string",
        "zoned": "timestamp[us]",
        "seconds": "double",
        "flag": "bool",
        "nothing": "null",
    }
    assert read_back["zoned"][0].as_py() == pd.Timestamp("2024-07-01 10:00")
    assert read_back["seconds"][0].as_py() == 1.5
    assert all(column.null_count >= 1 for column in read_back.columns)


@pytest.mark.parametrize("where", ["parts", "parts/", "parts/*.csv", "p*/**/*.csv", "parts/[ab].csv"])
def test_a_folder_or_a_glob_is_one_source_per_file_in_order(tmp_path, where):
    (tmp_path / "parts").mkdir()
    for name in ("b.csv", "a.csv", "notes.md", ".hidden.csv"):
        (tmp_path / "parts" / name).write_text(ROWS)
    found = sources.open_source(where, base=tmp_path)
    assert [source.origin for source in found] == ["parts/a.csv", "parts/b.csv"]


def test_a_file_whose_name_looks_like_a_glob_is_found(tmp_path):
    (tmp_path / "d[1].csv").write_text(ROWS)
    assert read("d[1].csv", tmp_path).num_rows == 2


def test_a_uri_may_refer_to_the_environment(tmp_path, monkeypatch):
    (tmp_path / "d.csv").write_text(ROWS)
    monkeypatch.setenv("PLACE", str(tmp_path))
    assert len(read("file://${PLACE}/d.csv", tmp_path)) == 2
    with pytest.raises(SourceError, match="The environment has no ELSEWHERE"):
        sources.open_source("s3://${ELSEWHERE}/d.csv", base=tmp_path)


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet", "jsonl"])
def test_object_stores_are_read_by_the_same_code(tmp_path, ending):
    table = pa.table({"a": [1, 2], "c": ["x", "y"]})
    pq.write_table(table, tmp_path / "d.parquet")
    lines = b'{"a": 1, "c": "x"}\n{"a": 2, "c": "y"}\n'
    text = b"a,c\n1,x\n2,y\n"
    content = {
        "csv": text,
        "csv.gz": gzip.compress(text, mtime=0),
        "jsonl": lines,
        "parquet": (tmp_path / "d.parquet").read_bytes(),
    }[ending]
    memory = fsspec.filesystem("memory")
    memory.pipe(f"/bucket/{ending}/d.{ending}", content)
    (tmp_path / f"d.{ending}").write_bytes(content)
    for where in (
        f"memory://bucket/{ending}/d.{ending}",
        f"memory://bucket/{ending}",
        f"memory://bucket/{ending}/*.{ending}",
        f"file://{tmp_path}/d.{ending}",
    ):
        [source] = sources.open_source(where, base=tmp_path)
        assert source.origin.endswith(f"d.{ending}")
        assert "://" in source.origin
        assert source.reader().read_all().to_pydict() == table.to_pydict()


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_sample_is_the_head_in_the_lakes_types(tmp_path, ending):
    frame = pd.DataFrame({"n": [1, 2, 3], "x": [0.5, None, 1.5], "s": ["a", None, "c"], "e": [None] * 3})
    frame["t"] = pd.to_datetime(["2024-01-01", "2024-01-02", None])
    path = tmp_path / f"d.{ending}"
    if ending == "parquet":
        frame.to_parquet(path)
    elif ending == "csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_json(path, orient="records", lines=True, date_format="iso", date_unit="us")
    head = sources.sample(path.name, base=tmp_path, rows=2)
    assert head.dtypes.astype(str).to_dict() == {
        "n": "int64",
        "x": "float64",
        "s": "str",
        "e": "float64",
        "t": "datetime64[us]",
    }
    assert len(head) == 2


def test_a_sample_of_many_files_goes_on_until_it_has_enough(tmp_path):
    for n, value in enumerate(["1", "2.5", "3"]):
        (tmp_path / f"{n}.csv").write_text(f"a\n{value}\n")
    assert sources.sample("*.csv", base=tmp_path, rows=2)["a"].tolist() == [1.0, 2.5]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("d.csv", b"", "holds no rows"),
        ("d.csv", b"\n\n", "holds no rows"),
        ("d.csv", b"a,b\n", "holds no rows"),
        ("d.csv", b"a,b,a\n1,2,3\n", "more than one column named 'a'"),
        ("d.csv", b"a,b,A\n1,2,3\n", "more than one column named 'a', 'A'"),
        ("d.csv", b"a,b\n1,2\n1,2,3\n", "is not a table of values"),
        ("d.csv", "a\nd\xe9j\xe0\n".encode("latin-1"), "is not UTF-8 text"),
        ("d.csv.gz", b"not packed", "cannot be read"),
        ("d.jsonl", b"", "holds no rows"),
        ("d.jsonl", b'{"a": 1}\n{"a": \n', "d.jsonl:2: this line is not JSON"),
        ("d.jsonl", b"[1, 2]\n", "must be one JSON object"),
        ("d.jsonl", rb'{"a": "\ud83d\ude00"}' b"\n" rb'{"a": "\uD83D"}', r"d.jsonl:2: a text holds .ud83d, half of a"),
        ("d.jsonl", rb'{"\udc00": 1}', r"d.jsonl:1: a text holds .udc00"),
        ("d.jsonl", b'{"a": "\xed\xa0\x80"}', r"d.jsonl:1: a text holds .ud800"),
        ("d.jsonl", b'{"a": 1, "a": 2}\n', "more than one column named 'a'"),
        ("d.parquet", b"PAR1 and nothing more", "is not a whole Parquet file"),
        ("d.parquet", b"", "holds no rows"),
        ("d.xlsx", b"PK", "is of a kind that cannot be read"),
    ],
)
def test_a_file_that_is_no_table_is_one_clear_error(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=says) as caught:
        sources.sample(name, base=tmp_path)
    assert name in caught.value.what


def test_a_parquet_file_that_was_cut_short_is_one_clear_error(tmp_path):
    whole = tmp_path / "whole.parquet"
    pd.DataFrame({"a": range(100_000)}).to_parquet(whole)
    data = bytearray(whole.read_bytes())
    data[1000:9000] = b"\0" * 8000
    (tmp_path / "d.parquet").write_bytes(data)
    with pytest.raises(SourceError, match=r"d\.parquet is not a whole Parquet file"):
        read("d.parquet", tmp_path)


def test_nested_columns_are_refused_by_name(tmp_path):
    (tmp_path / "d.jsonl").write_text('{"a": {"b": 1}}\n')
    with pytest.raises(DataError, match="Column 'a' holds struct"):
        sources.sample("d.jsonl", base=tmp_path)


@pytest.mark.parametrize("where", ["rentls.csv", "file://{base}/rentls.csv", "memory://typo/rentls.csv"])
def test_a_missing_file_names_the_nearest_one(tmp_path, where):
    (tmp_path / "rentals.csv").write_text(ROWS)
    fsspec.filesystem("memory").pipe("/typo/rentals.csv", b"a\n1\n")
    with pytest.raises(SourceError, match=r"does not exist\. Did you mean 'rentals\.csv'"):
        sources.open_source(where.format(base=tmp_path), base=tmp_path)


@pytest.mark.parametrize("where", ["prts/*.csv", "prts/2026/**/*.csv", "file://{base}/prts/*.csv"])
def test_a_glob_in_a_missing_folder_names_the_nearest_one(tmp_path, where):
    (tmp_path / "parts").mkdir()
    (tmp_path / "prts.csv").write_text(ROWS)
    with pytest.raises(SourceError, match=r"prts does not exist\. Did you mean 'parts'\?"):
        sources.open_source(where.format(base=tmp_path), base=tmp_path)


def test_a_glob_in_an_object_store_may_come_before_its_folder(tmp_path):
    with pytest.raises(NoFiles, match=r"memory://later/\*\.csv matches no file"):
        sources.open_source("memory://later/*.csv", base=tmp_path)


@pytest.mark.parametrize("where", ["folder", "folder/*.csv"])
def test_a_folder_without_a_readable_file_says_what_can_be_read(tmp_path, where):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.md").write_text("hello")
    with pytest.raises(SourceError, match="no file") as caught:
        sources.open_source(where, base=tmp_path)
    assert ".parquet" in str(caught.value)


def test_an_unknown_scheme_is_one_clear_error_without_its_secret(tmp_path):
    with pytest.raises(SourceError, match="cannot be opened") as caught:
        sources.open_source("nope://key:hunter2@bucket/d.csv", base=tmp_path)
    assert "hunter2" not in str(caught.value)


def test_a_header_without_a_name_gets_one(tmp_path):
    assert csv(tmp_path, ",a\n0,1\n").column_names == ["unnamed_0", "a"]


def test_quoted_values_may_hold_delimiters_and_line_ends(tmp_path):
    assert csv(tmp_path, 'a,b\n"x,\ny",1\n')["a"].to_pylist() == ["x,\ny"]


def test_a_delta_table_is_what_its_newest_version_says_and_not_the_files_in_its_folder(tmp_path):
    for first, mode in ((0, "append"), (3, "overwrite"), (6, "append")):
        rows = pa.table({"n": [first, first + 1], "when": pa.array([0, None], pa.timestamp("us", "UTC"))})
        write_deltalake(tmp_path / "table", rows, mode=mode)
    [source] = sources.open_source("table", base=tmp_path)
    table = source.reader().read_all()
    assert (types(table), source.origin) == ({"n": "int64", "when": "timestamp[us]"}, "table")
    assert sorted(table["n"].to_pylist()) == [3, 4, 6, 7]
    assert source.head(1).num_rows == 1
    before = source.stamp()
    write_deltalake(tmp_path / "table", rows, mode="append")
    assert before.split()[0] == source.stamp().split()[0] != before
    for file in (tmp_path / "table").glob("*.parquet"):
        file.unlink()
    with pytest.raises(SourceError, match="table cannot be read"):
        source.reader().read_all()

"""The batch script that a careful engineer has instead of the service: download an export, unpack it, upsert its rows.

It does: twelve columns under their export tags with the types that the service gives them, NULL for what was not
answered, no previews, tests or unfinished responses; a primary key, and an upsert that lets no older row replace a newer
one, so that it may run again; the documents without personal metadata, as they are kept by the service; one durable
commit.

It does not: know of erased responses, compare rows before it writes them, log changes, resume, find the same data where
links or labels repeat it, digest the documents, or read an export that does not fit into memory.
"""

import io
import json
import sqlite3
import sys
import time
import urllib.request
import zipfile

import numpy
import pandas

base, survey, database = sys.argv[1:]
exports = f"{base}/API/v3/surveys/{survey}/export-responses"

TEXTS = {"_recordId": "RESPONSEID", "QID18_TEXT": "Q18", "AccountID": "ACCOUNTID", "ProjectID": "PROJECTID",
         "PhaseID": "PHASEID"}
PERSONAL = ["ipAddress", "recipientLastName", "recipientFirstName", "recipientEmail", "externalDataReference",
            "locationLatitude", "locationLongitude"]
NUMBERS = {"progress": "PROGRESS", "QID1": "Q1", "QID8_1": "Q8_1", "QID8_2": "Q8_2", "QID8_3": "Q8_3", "QID2": "Q2"}
TABLES = """
CREATE TABLE IF NOT EXISTS PROJECT_FEEDBACK (RESPONSEID NVARCHAR(100) NOT NULL PRIMARY KEY, RECORDEDDATE TIMESTAMP,
  PROGRESS INTEGER, Q1 INTEGER, Q18 NVARCHAR(5000), Q8_1 INTEGER, Q8_2 INTEGER, Q8_3 INTEGER, Q2 INTEGER,
  ACCOUNTID NVARCHAR(5000), PROJECTID NVARCHAR(5000), PHASEID NVARCHAR(5000));
CREATE TABLE IF NOT EXISTS DOCUMENTS (RESPONSEID NVARCHAR(100) NOT NULL PRIMARY KEY, RECORDEDDATE TIMESTAMP, DOCUMENT NCLOB);
"""


def call(url, body=None):
    data = json.dumps(body).encode() if body else None
    headers = {"x-api-token": "sandbox-token", "content-type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, data, headers)) as answer:
        return answer.read()


def upsert(table, cursor, columns, rows):
    updates = ", ".join(f"{column} = excluded.{column}" for column in columns)
    cursor.executemany(
        f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))}) "
        f"ON CONFLICT (RESPONSEID) DO UPDATE SET {updates} WHERE excluded.RECORDEDDATE >= RECORDEDDATE",
        rows,
    )


progress = json.loads(call(exports, {"format": "ndjson"}))["result"]["progressId"]
while (result := json.loads(call(f"{exports}/{progress}"))["result"])["status"] != "complete":
    time.sleep(1)
archive = zipfile.ZipFile(io.BytesIO(call(f"{exports}/{result['fileId']}/file")))
encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
answers, texts = [], []
with archive.open(archive.namelist()[0]) as lines:
    for line in lines:
        document = json.loads(line)
        for key in PERSONAL:
            document["values"].pop(key, None)
        answers.append(document["values"])
        texts.append(encode(document))
values, texts = pandas.DataFrame(answers), pandas.Series(texts)

complete = (values["finished"] == 1) & ~values["status"].isin([1, 2, 17])
values, texts = values[complete], texts[complete]
rows = values.reindex(columns=[*TEXTS, *NUMBERS]).rename(columns=TEXTS | NUMBERS)
rows = rows.astype(dict.fromkeys(NUMBERS.values(), "Int64"))
recorded = pandas.to_datetime(values["recordedDate"], utc=True).dt.tz_localize(None)
rows["RECORDEDDATE"] = numpy.strings.add(numpy.datetime_as_string(recorded, unit="ms"), "Z")

with sqlite3.connect(database) as connection:
    connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;" + TABLES)
    rows.to_sql("PROJECT_FEEDBACK", connection, index=False, if_exists="append", method=upsert)
    kept = rows[["RESPONSEID", "RECORDEDDATE"]].assign(DOCUMENT=texts)
    kept.to_sql("DOCUMENTS", connection, index=False, if_exists="append", method=upsert)

"""The batch script that people have instead of the service: download an export, unpack it, insert its rows."""

import io
import json
import sqlite3
import sys
import time
import urllib.request
import zipfile

import pandas

base, survey, database = sys.argv[1:]
exports = f"{base}/API/v3/surveys/{survey}/export-responses"


def call(url, body=None):
    data = json.dumps(body).encode() if body else None
    headers = {"x-api-token": "sandbox-token", "content-type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, data, headers)) as answer:
        return answer.read()


progress = json.loads(call(exports, {"format": "ndjson"}))["result"]["progressId"]
while (result := json.loads(call(f"{exports}/{progress}"))["result"])["status"] != "complete":
    time.sleep(1)
archive = zipfile.ZipFile(io.BytesIO(call(f"{exports}/{result['fileId']}/file")))
with archive.open(archive.namelist()[0]) as lines:
    values = pandas.json_normalize([json.loads(line)["values"] for line in lines])
keys = ["_recordId", "recordedDate", "progress", "QID1", "AccountID", "ProjectID", "PhaseID"]
rows = values[[key for key in values.columns if key in keys or key.startswith("QID")]]
rows.astype(str).to_sql("feedback", sqlite3.connect(database), index=False, chunksize=10_000)

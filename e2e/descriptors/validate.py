#!/usr/bin/env python3
"""Holds manifest.yml and mta.yaml against their published schemas, which are not part of this repository.

usage: e2e/run descriptors CF_SCHEMA MTA_SCHEMA
  CF_SCHEMA   SchemaStore, src/schemas/json/cloudfoundry-application-manifest.json (Apache-2.0)
  MTA_SCHEMA  SAP/cloud-mta, validations/schema/schema_v3.2.yaml (Apache-2.0)
needs the packages jsonschema, pyyaml and pykwalify
"""
import json
import logging
import re
import sys

import jsonschema
import yaml
from pykwalify.core import Core


def manifest_faults(schema):
    with open("manifest.yml") as file:
        document = yaml.safe_load(file)
    for error in jsonschema.Draft7Validator(schema).iter_errors(document):
        yield f"{'/'.join(map(str, error.absolute_path))}: {error.message}"


def for_pykwalify(node):
    """The published schema is written for kwalify, whose other implementation wants a type everywhere."""
    if "mapping" in node:
        node.setdefault("type", "map")
        node["mapping"] = {key: for_pykwalify(value or {}) for key, value in node["mapping"].items()}
    elif "sequence" in node:
        node.setdefault("type", "seq")
        node["sequence"] = [for_pykwalify(value) for value in node["sequence"]]
    else:
        node.setdefault("type", "str")
        if node["type"] == "bool" or "enum" in node:
            node["type"] = "any"
    return node


def descriptor_faults(text):
    text = re.sub(r"pattern: '/(.*)/'", r"pattern: '\1'", text.replace("unique: true, ", ""))
    text = text.replace(", unique: true", "")
    schema = for_pykwalify(yaml.safe_load(text))
    schema = {key: value for key, value in schema.items() if key in ("type", "mapping", "desc")}
    with open("mta.yaml") as file:
        core = Core(source_data=yaml.safe_load(file), schema_data=schema)
    core.validate(raise_exception=False)
    return core.validation_errors or []


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    logging.disable(logging.CRITICAL)
    with open(sys.argv[1]) as cf, open(sys.argv[2]) as mta:
        found = {"manifest.yml": list(manifest_faults(json.load(cf))), "mta.yaml": list(descriptor_faults(mta.read()))}
    for name, faults in found.items():
        print(name, "fits" if not faults else "\n  " + "\n  ".join(map(str, faults)))
    sys.exit(any(found.values()))


main()

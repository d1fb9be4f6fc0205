"""Compares qdrant.proto with the stubs of the official Python client: every message, field, number, type and enum case.

usage: qdrant_proto_check.py PATH_TO/qdrant.proto
"""
import re
import sys

from google.protobuf import descriptor_pool
from qdrant_client import grpc  # fills the pool

POOL = descriptor_pool.Default()
SCALARS = {"double": 1, "float": 2, "int64": 3, "uint64": 4, "bool": 8, "string": 9, "uint32": 13}


def entry(field, key, value):
    members = field.message_type.fields_by_name
    return field.message_type.GetOptions().map_entry and members["key"].type == SCALARS[key] and same(
        members["value"], value)


def same(field, kind):
    if kind in SCALARS:
        return field.type == SCALARS[kind]
    target = field.message_type or field.enum_type
    return target is not None and target.name == kind


def main(path):
    text = re.sub(r"//.*", "", open(path).read())
    compared, wrong = 0, []
    for name, body in re.findall(r"message (\w+) \{((?:[^{}]|\{[^{}]*\})*)\}", text):
        message = POOL.FindMessageTypeByName(f"qdrant.{name}")
        pattern = r"(optional |repeated |)(?:(\w+)|map<(\w+), (\w+)>) (\w+) = (\d+);"
        for label, kind, key, value, field_name, number in re.findall(pattern, body):
            field = message.fields_by_number.get(int(number))
            right = field is not None and field.name == field_name and (
                entry(field, key, value) if key else same(field, kind)) and (
                field.is_repeated == bool(label == "repeated " or key))
            compared += 1
            if not right:
                wrong.append(f"{name}.{field_name}")
    for name, body in re.findall(r"enum (\w+) \{([^{}]*)\}", text):
        cases = POOL.FindEnumTypeByName(f"qdrant.{name}").values_by_name if name != "NullValue" else None
        for case, number in re.findall(r"(\w+) = (\d+);", body):
            compared += 1
            if cases is not None and (case not in cases or cases[case].number != int(number)):
                wrong.append(f"{name}.{case}")
    print(f"{compared} compared, wrong: {wrong or 'none'}")
    sys.exit(1 if wrong or compared < 150 else 0)


main(sys.argv[1])

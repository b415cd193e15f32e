"""Turns the RFC 7208 suite (YAML) into lines for the C++ test: one field a tab, octets outside printable
ASCII, tabs and backslashes as \\xHH.

    scenario  DESCRIPTION
    test      NAME HELO HOST MAILFROM RESULTS(comma-separated) EXPLANATION("-": not checked)
    record    NAME TYPE VALUE        (MX: "PREFERENCE NAME")
    timeout   NAME                   every type that has no record of its own
    end
"""

import sys

import yaml


def escape(text):
    octets = text if isinstance(text, bytes) else str(text).encode("latin-1", "replace")
    return "".join(chr(b) if 0x20 <= b < 0x7F and b != 0x5C else "\\x%02x" % b for b in octets)


def emit(*fields):
    print("\t".join(escape(field) for field in fields))


def texts(value):
    """The strings of one TXT record, joined as RFC 7208 section 3.3 says."""
    return "".join(value) if isinstance(value, list) else str(value)


def emit_zone(zone):
    for name, rows in zone.items():
        rows = rows if isinstance(rows, list) else [rows]
        has_txt = any(isinstance(row, dict) and "TXT" in row for row in rows)
        for row in rows:
            if row == "TIMEOUT":
                emit("timeout", name)
                continue
            for kind, value in row.items():
                # The suite's own rule: SPF rows stand for TXT too, unless there are TXT rows.
                if kind == "SPF":
                    if has_txt:
                        continue
                    kind = "TXT"
                if kind == "TXT" and value == "NONE":
                    continue
                if kind == "MX":
                    value = "%s %s" % (value[0], value[1])
                elif kind == "TXT":
                    value = texts(value)
                emit("record", name, kind, value)


def main():
    with open(sys.argv[1], encoding="utf-8") as suite:
        for scenario in yaml.safe_load_all(suite):
            emit("scenario", scenario["description"])
            emit_zone(scenario["zonedata"])
            for name, test in scenario["tests"].items():
                results = test["result"]
                results = results if isinstance(results, list) else [results]
                emit("test", name, test["helo"], test["host"], test["mailfrom"], ",".join(results),
                     test.get("explanation", "-"))
            emit("end")


main()

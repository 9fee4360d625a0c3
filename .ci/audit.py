"""Looks up every package of the lock files among known vulnerabilities; nothing is installed.

A vulnerability fails. What nobody could look up (no network, a mirror that knows none) is one line
and passes, unless RECSYS_REQUIRE_AUDIT=1: a silent pass would be worse than none.
"""

import functools
import json
import os
import subprocess
import sys
from typing import Any

ACCEPTED: dict[str, str] = {}
"""Known vulnerabilities that cannot reach us, by id, and why not."""


def main() -> int:
    """Audit the lock files that the command line names."""
    locks = [word for name in sys.argv[1:] for word in ("-r", name)]
    ask = functools.partial(subprocess.run, capture_output=True, text=True, check=False)
    command = [sys.executable, "-m", "pip_audit", "--require-hashes", "--disable-pip", *locks]
    command += ["--progress-spinner=off", "--format=json"]
    command += [f"--ignore-vuln={id}" for id in ACCEPTED]
    # Without asking anybody: what fails here is wrong with the lock files, not with the network.
    dry = ask([*command, "--dry-run"])
    if dry.returncode:
        print(dry.stderr)
        return 1
    asked = ask(command)
    try:
        packages = json.loads(asked.stdout)["dependencies"]
    except (ValueError, KeyError):
        said = asked.stderr.strip().rpartition("\n")[2] or f"exit code {asked.returncode}"
        packages, missed = [], f"the vulnerability service does not answer ({said[:120]})"
    else:
        missed = unknown(packages)
    found = vulnerable(packages)
    known = sum("skip_reason" not in package for package in packages)
    if found or known:
        print("\n".join(found) or f"{known} packages, none with a known vulnerability")
    required = os.environ.get("RECSYS_REQUIRE_AUDIT") == "1"
    if missed:
        allowed = "" if required else "; RECSYS_REQUIRE_AUDIT=1 makes this a failure"
        print(f"NOT AUDITED: {missed}{allowed}")
    return 1 if found or (missed and required) else 0


def vulnerable(packages: list[dict[str, Any]]) -> list[str]:
    """Return a line for each known vulnerability in a report of pip-audit."""
    return [
        f"VULNERABLE: {package['name']} {package['version']}: {one['id']}"
        f" ({', '.join(one['aliases'])}): {one.get('description') or ''}".rstrip(" :")[:300]
        + f"; fixed in {', '.join(one['fix_versions']) or 'no version yet'}"
        for package in packages
        for one in package.get("vulns", ())
    ]


def unknown(packages: list[dict[str, Any]]) -> str:
    """Return what a report of pip-audit leaves open: it passes packages that nobody knows."""
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    if not skipped:
        return "" if packages else "the report names no package"
    some = ", ".join(skipped[:5]) + (", …" if len(skipped) > 5 else "")
    share = f"{len(skipped)} of {len(packages)} packages"
    return f"the vulnerability service does not know {share}: {some}"


if __name__ == "__main__":
    sys.exit(main())

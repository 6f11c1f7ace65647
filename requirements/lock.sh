#!/usr/bin/env bash
# Writes run.txt and dev.txt anew: every package that a fresh resolve of pyproject.toml installs, at its exact version.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
pip="$work/venv/bin/python -m pip --disable-pip-version-check --quiet"
$pip install --upgrade pip
# hatchling and editables build the editable install without a second, hidden resolve
$pip install '.[all]' hatchling editables
$pip freeze --exclude imprint --exclude pip --exclude setuptools | grep -v '^imprint' > requirements/run.txt
$pip install --group dev
$pip freeze --exclude imprint --exclude pip --exclude setuptools | grep -v '^imprint' | grep -vxFf requirements/run.txt > requirements/dev.txt
wc -l requirements/*.txt

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Install what Weft needs beside Python packages: Icarus Verilog, g++, make, perl, venv.
# Called by `make setup` with the Python interpreter to use. Installs with apt-get where the user
# may (root, or sudo without a password); otherwise prints one line saying what to install.
set -eu

python="${1:-python3}"
packages=""
command -v iverilog >/dev/null 2>&1 || packages="$packages iverilog"
command -v g++ >/dev/null 2>&1 || packages="$packages g++"
command -v make >/dev/null 2>&1 || packages="$packages make"
command -v perl >/dev/null 2>&1 || packages="$packages perl"
if command -v "$python" >/dev/null 2>&1; then
    "$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' || {
        echo "Weft needs Python 3.10 to 3.13; choose one: make PYTHON=python3.11 ..." >&2
        exit 1
    }
    "$python" -c 'import ensurepip, venv' >/dev/null 2>&1 || packages="$packages python3-venv"
    # cocotb loads the interpreter as a shared library.
    packages="$packages $("$python" -c 'import ctypes.util, os, sys
from sysconfig import get_config_var as var
name = "python%d.%d" % sys.version_info[:2]
folders = [var("LIBDIR") or "", os.path.join(var("LIBDIR") or "", var("MULTIARCH") or "")]
found = [f for f in folders if os.path.exists(os.path.join(f, var("INSTSONAME") or "-"))]
shared = found and str(var("INSTSONAME")).find(".so") >= 0
print("" if shared or ctypes.util.find_library(name) else "lib" + name)')"
else
    packages="$packages python3 python3-venv libpython3.11"
fi
packages="$(echo $packages)"
[ -n "$packages" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "Weft needs these, please install them: $packages" >&2
    exit 1
fi
if [ "$(id -u)" = 0 ]; then
    as_root=""
elif sudo -n true >/dev/null 2>&1; then
    as_root="sudo -n"
else
    echo "Weft needs these, please run: sudo apt-get install $packages" >&2
    exit 1
fi
echo "installing $packages"
$as_root apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $packages

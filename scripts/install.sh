#!/usr/bin/env bash
# Installs executables with their manual pages and completions: DIR/bin, DIR/share/man/man1, and where bash, zsh and fish look.
#
#   scripts/install.sh FROM DIR [PROGRAMS]
#
# FROM holds the executables. PROGRAMS, by default FROM, holds executables that run here, which print the completions.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

usage() { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; }
[ "${1-}" = --help ] && { usage; exit 0; }
[ $# -eq 2 ] || [ $# -eq 3 ] || { echo "install.sh: expected FROM DIR; try 'scripts/install.sh --help'" >&2; exit 2; }
from=$1 to=$2 here=${3-$1}
for page in "$root"/cmd/*/*.1; do
  name=$(basename "$page" .1)
  [ -x "$from/$name" ] || { echo "install.sh: $from has no $name: run scripts/build.sh" >&2; exit 1; }
  install -D -m 755 "$from/$name" "$to/bin/$name"
  install -D -m 644 "$page" "$to/share/man/man1/$name.1"
  while read -r shell file; do
    mkdir -p "$to/share/$(dirname "$file")"
    "$here/$name" completion "$shell" >"$to/share/$file"
  done <<END
bash bash-completion/completions/$name
zsh zsh/site-functions/_$name
fish fish/vendor_completions.d/$name.fish
END
done

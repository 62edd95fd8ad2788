#!/usr/bin/env bash
# Fetches the public originals of the data sets into the data folder, unpacked and checked.
#
#   scripts/get-data.sh [--from DIR] [--data DIR] [SET...]
#
# SET is the first part of a path in the table below; without one all are fetched. The data folder is --data, else
# $ODEPIPE_DATA, else ./data. --from DIR takes the files from a folder of the same layout instead of the network,
# plain or packed as .gz or .xz. Files that are there and right are left alone; no half file ever has the final name.
set -euo pipefail

# One file a line: path below the data folder, SHA-256 of the unpacked file, its name at the mirrors (ARCHIVE#MEMBER for
# a file in an archive), the mirrors.
mnist="https://ossci-datasets.s3.amazonaws.com/mnist https://storage.googleapis.com/cvdf-datasets/mnist
  https://raw.githubusercontent.com/fgnt/mnist/master http://yann.lecun.com/exdb/mnist"
cifar10="https://www.cs.toronto.edu/~kriz"
batches="cifar-10-binary.tar.gz#cifar-10-batches-bin"
table=(
  "mnist/train-images-idx3-ubyte ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db train-images-idx3-ubyte.gz $mnist"
  "mnist/train-labels-idx1-ubyte 65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5 train-labels-idx1-ubyte.gz $mnist"
  "mnist/t10k-images-idx3-ubyte 0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7 t10k-images-idx3-ubyte.gz $mnist"
  "mnist/t10k-labels-idx1-ubyte ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2 t10k-labels-idx1-ubyte.gz $mnist"
  "cifar10/data_batch_1.bin cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5 $batches/data_batch_1.bin $cifar10"
  "cifar10/data_batch_2.bin a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed $batches/data_batch_2.bin $cifar10"
  "cifar10/data_batch_3.bin bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67 $batches/data_batch_3.bin $cifar10"
  "cifar10/data_batch_4.bin 014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48 $batches/data_batch_4.bin $cifar10"
  "cifar10/data_batch_5.bin 755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add $batches/data_batch_5.bin $cifar10"
  "cifar10/test_batch.bin 8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b $batches/test_batch.bin $cifar10"
)

usage() { echo "usage: scripts/get-data.sh [--from DIR] [--data DIR] [SET...]"; }
fail() { echo "get-data.sh: $*" >&2; exit 1; }
misused() { echo "get-data.sh: $*" >&2; usage >&2; exit 2; }

from="" data="${ODEPIPE_DATA:-data}" sets=()
while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) usage; exit ;;
    --from=* | --data=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;;
    --from | --data)
      [ -n "${2-}" ] || misused "$1 needs a folder"
      if [ "$1" = --from ]; then from=$2; else data=$2; fi
      shift 2 ;;
    -*) misused "unknown flag $1" ;;
    *) sets+=("$1"); shift ;;
  esac
done
[ -z "$from" ] || [ -d "$from" ] || fail "--from $from: no such folder"
known=$(printf '%s\n' "${table[@]%%/*}" | sort -u | paste -s -d ' ' -)
for set in ${sets[@]+"${sets[@]}"}; do
  case " $known " in *" $set "*) ;; *) misused "no data set $set; there are: $known" ;; esac
done

sum() { if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d ' ' -f 1; }
unpack() { # NAME FILE: what FILE holds, packed as the ending of NAME says, on standard output
  case $1 in
    *.tar.gz#*) tar -xzOf "$2" "${1##*#}" ;;
    *.gz) gzip -dc "$2" ;;
    *.xz) xz -dc "$2" ;;
    *) cat "$2" ;;
  esac
}

temporary="" # beside the file at hand, where it is unpacked
downloads="" # where the last download lies, for an archive has several files
trap 'rm -rf ${temporary:+"$temporary"} ${downloads:+"$downloads"}' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# download ADDRESS writes to $downloads/packed, which then is of $downloaded.
downloaded=""
download() {
  [ "$1" != "$downloaded" ] || return 0
  downloaded=""
  [ -n "$downloads" ] || downloads=$(mktemp -d "$data/.get-data.XXXXXX") || return 1
  if command -v curl >/dev/null; then
    curl --fail --silent --location --connect-timeout 15 --retry 2 --output "$downloads/packed" "$1" || return 1
  else
    wget --quiet --timeout=15 --tries=3 --output-document="$downloads/packed" "$1" || return 1
  fi
  downloaded=$1
}

# get PATH SHA256 NAME MIRROR... puts one file into place, from the first source whose content is right.
get() {
  local path=$1 want=$2 name=$3 target="$data/$1" source tried=""
  shift 3
  if [ -f "$target" ] && [ "$(sum "$target")" = "$want" ]; then
    echo "$target: there already"
    return
  fi
  mkdir -p "$(dirname "$target")"
  temporary=$(mktemp -d "$(dirname "$target")/.get-data.XXXXXX")
  local sources=()
  if [ -n "$from" ]; then
    sources=("$from/$path" "$from/$path.gz" "$from/$path.xz")
  else
    sources=("${@/%//$name}")
  fi
  for source in "${sources[@]}"; do
    if fetch "$source" "$want"; then
      chmod "$(printf %o $((0666 & ~$(umask))))" "$temporary/file"
      mv -f "$temporary/file" "$target"
      rm -rf "$temporary"
      temporary=""
      echo "$target: from $source"
      return
    fi
    tried="$tried${tried:+,} $source ($reason)"
  done
  fail "$target: no source has it:$tried"
}

# fetch SOURCE SHA256 writes the unpacked content to $temporary/file; if it cannot, or the content is wrong, it says
# why in $reason.
fetch() {
  local file=$1
  reason="not there"
  if [ -n "$from" ]; then
    [ -f "$file" ] || return 1
  else
    reason="no download"
    download "${1%%#*}" || return 1
    file="$downloads/packed"
  fi
  reason="damaged"
  unpack "$1" "$file" >"$temporary/file" 2>/dev/null || return 1
  reason="wrong SHA-256"
  [ "$(sum "$temporary/file")" = "$2" ]
}

for line in "${table[@]}"; do
  set=${line%%/*}
  case " ${sets[*]-} " in
    *" $set "* | "  ")
      # shellcheck disable=SC2086 # the line's words are the arguments
      get $line ;;
  esac
done

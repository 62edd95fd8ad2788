#!/usr/bin/env bash
# Fetches the public originals of the data sets into the data folder, unpacked and checked.
#
#   scripts/get-data.sh [--from DIR] [--data DIR] [SET...]
#
# SET is a folder of the table below, such as mnist, uea or uea/JapaneseVowels; without one all are fetched that have a
# public source. The data folder is --data, else $ODEPIPE_DATA, else ./data. --from DIR takes the files from a folder of
# the same layout instead of the network, plain or packed as .gz or .xz. Files that are there and right are left alone;
# no half file ever has the final name.
set -euo pipefail

# One file a line: path below the data folder, SHA-256 of the unpacked file, its name at the mirrors (ARCHIVE#MEMBER for
# a file in an archive), the mirrors; a file without mirrors has no public source of the same bytes.
mnist="https://ossci-datasets.s3.amazonaws.com/mnist https://storage.googleapis.com/cvdf-datasets/mnist
  https://raw.githubusercontent.com/fgnt/mnist/master http://yann.lecun.com/exdb/mnist"
cifar10="https://www.cs.toronto.edu/~kriz"
batches="cifar-10-binary.tar.gz#cifar-10-batches-bin"
svhn="http://ufldl.stanford.edu/housenumbers"
github="https://raw.githubusercontent.com"
articulary="$github/zc911/MatrixSlow/0f5994d937feb40ea26f42eb3087fadf8b5c9bd5/data/ArticularyWordRecognition"
sktime="$github/MrPr3ntice/sktime/73aab9918667b30fd890c841741e5bd3a28fa190/sktime/datasets/data"
miniboone="$github/vsimkus/variational-gibbs-inference/3d105ec07a8e4ee2d652d42e54082cc94926206b/data/miniboone"
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
  "svhn/train_32x32.mat 435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8 train_32x32.mat $svhn"
  "svhn/test_32x32.mat cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b test_32x32.mat $svhn"
  "svhn-extra/extra_32x32.mat a133a4beb38a00fcdda90c9489e0c04f900b660ce8a316a5e854838379a71eb3 extra_32x32.mat $svhn"
  "uea/ArticularyWordRecognition/ArticularyWordRecognition_TRAIN.ts 40c54640f20aa094115a47ad1f4745f5adcc08a65085659a4a042aee1c32a6d5 ArticularyWordRecognition_TRAIN.ts $articulary"
  "uea/ArticularyWordRecognition/ArticularyWordRecognition_TEST.ts b4431c96e04310c55b8f50b6f93b0e20cfa019a2d25ab2a5c844e5e0b1375995 ArticularyWordRecognition_TEST.ts $articulary"
  "uea/BasicMotions/BasicMotions_TRAIN.ts 8dc43cc6306cb679c888c01e26f91772ac4441a916da43bac8b79734a538b9d6 BasicMotions_TRAIN.ts $sktime/BasicMotions"
  "uea/BasicMotions/BasicMotions_TEST.ts 79213102bc6fca1a398ad98ce1185dff0208fa3d1465e687f48288946b0ff8dc BasicMotions_TEST.ts $sktime/BasicMotions"
  "uea/JapaneseVowels/JapaneseVowels_TRAIN.ts 945e0cfdcabdb97567a43c24e18c00e513d797b1d9933f901ff0eae09221b036 JapaneseVowels_TRAIN.ts $sktime/JapaneseVowels"
  "uea/JapaneseVowels/JapaneseVowels_TEST.ts 42e602c944c93d71850b1f257d23b1d256e6022b6193b6e59aef2d9ca8921d52 JapaneseVowels_TEST.ts $sktime/JapaneseVowels"
  "uea/CharacterTrajectories/CharacterTrajectories_TRAIN.ts d7b74dee7151400c534189baa5d0029abf1132ac897eb0ea5ad7da6ca34416d7"
  "uea/CharacterTrajectories/CharacterTrajectories_TEST.ts 6424bcda4f3d6fa7acf3483c3a4aedde29c9d084437ee9220d17c855e454b4bc"
  "miniboone/val.npy 104f35c387c982cd550e5d6142e8b4075d746001508e65c1a90efcb83301839d val.npy $miniboone"
  "miniboone/test.npy 01b3fc605f334e951fed477a09a7fcd69cdc440d9204111ca253ecdf0e7590de test.npy $miniboone"
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
    *) sets+=("${1%/}"); shift ;;
  esac
done
[ -z "$from" ] || [ -d "$from" ] || fail "--from $from: no such folder"
known=$(for line in "${table[@]}"; do
  folder=${line%% *}
  while [[ $folder = */* ]]; do echo "${folder%/*}"; folder=${folder%/*}; done
done | sort -u | paste -s -d ' ' -)
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
  local path=$1 want=$2 name=${3-} target="$data/$1" source tried=""
  shift $(($# < 3 ? $# : 3))
  if [ -f "$target" ] && [ "$(sum "$target")" = "$want" ]; then
    echo "$target: there already"
    return
  fi
  [ -n "$from$name" ] || fail "$target: it has no public source; take it from a folder with --from DIR"
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

# wanted LINE tells whether a line of the table is asked for.
wanted() {
  local set words
  read -r -a words <<<"$1"
  [ ${#sets[@]} -gt 0 ] || [ -n "$from" ] || [ ${#words[@]} -gt 2 ] || return 1
  for set in ${sets[@]+"${sets[@]}"}; do
    [[ $1 != "$set"/* ]] || return 0
  done
  [ ${#sets[@]} -eq 0 ]
}

for line in "${table[@]}"; do
  # shellcheck disable=SC2086 # the line's words are the arguments
  ! wanted "$line" || get $line
done

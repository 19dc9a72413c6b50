#!/bin/bash -eu
# A dump gets its name only when it is whole, so a failed night never takes the place of a good one.
target=${TARGET:-$BATCH_STATE_DIR}
day=${BATCH_DUE_AT:0:10}
mkdir -p "$target"
part=$(mktemp "$target/.$DATABASE-XXXXXX.part")
trap 'rm -f "$part"' EXIT

pg_dump --format=custom --file="$part" "$DATABASE"
[[ -s $part ]] || { echo "the dump is empty" >&2; exit 1; }
mv "$part" "$target/$DATABASE-$day.dump"
echo "$target/$DATABASE-$day.dump: $(stat -c %s "$target/$DATABASE-$day.dump") bytes"

# Names sort by date: all but the newest go.
dumps=("$target/$DATABASE"-????-??-??.dump)
for ((i = 0; i < ${#dumps[@]} - KEEP; i++)); do
  rm -v "${dumps[i]}"
done

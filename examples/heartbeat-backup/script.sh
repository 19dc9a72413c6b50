#!/bin/bash -eu
archive=$BATCH_STATE_DIR/backup.tar.gz
tar --create --gzip --file="$archive.part" --directory="$SOURCE" .
mv "$archive.part" "$archive"
echo "$(stat -c %s "$archive") bytes"

#!/bin/bash
# exec: rsync's exit code is the batch's, and signals reach rsync itself.
exec rsync --archive --delete --partial --timeout=300 --stats "$SOURCE" "$TARGET"

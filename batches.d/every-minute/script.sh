set -euo pipefail

echo "$GREETING from $BATCH_NAME, it is $(date '+%H:%M:%S')"
echo "due at $BATCH_DUE_AT, run as revision $BATCH_REVISION"

# A folder of one's own that lasts from one execution to the next.
count=$(($(cat "$BATCH_STATE_DIR/count" 2>/dev/null || echo 0) + 1))
echo "$count" >"$BATCH_STATE_DIR/count"
echo "this is time number $count"

set -euo pipefail

# Whole or not at all: readers never see half a report.
cat >"$BATCH_STATE_DIR/report.new"
mv "$BATCH_STATE_DIR/report.new" "$BATCH_STATE_DIR/report.txt"
echo "published $(wc -l <"$BATCH_STATE_DIR/report.txt") lines:"
cat "$BATCH_STATE_DIR/report.txt"

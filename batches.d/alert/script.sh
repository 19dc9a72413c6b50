echo "$BATCH_PREVIOUS failed with exit code $BATCH_PREVIOUS_EXIT_CODE; the end of its stderr:"
tail -n 5 "$BATCH_PREVIOUS_STDERR"

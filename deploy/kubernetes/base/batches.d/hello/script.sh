echo "hello from $BATCH_NAME, due at $BATCH_DUE_AT"

echo "publish $BATCH_PREVIOUS_STATUS; nothing of it is left lying about"

echo "awake again"

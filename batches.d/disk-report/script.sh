set -euo pipefail

df -h .
used=$(df --output=pcent . | tail -n 1 | tr -dc '0-9')
if ((used >= LIMIT_PERCENT)); then
  echo "the disk is $used % full" >&2
  exit 1
fi

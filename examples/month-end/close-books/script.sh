#!/bin/bash -eu
month=${BATCH_DUE_AT:0:7}
marker=$BATCH_STATE_DIR/closed-$month
# A rerun, or a second start by hand, must not close a month twice.
if [[ -e $marker ]]; then
  echo "$month is closed already"
  exit 0
fi
for step in invoices ledger report; do
  echo "closing $month: $step"
done
touch "$marker"

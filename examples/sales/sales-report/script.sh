#!/bin/bash
set -euo pipefail
awk -F, '{ sum[$1] += $2 } END { for (region in sum) printf "%-8s %6d\n", region, sum[region] }' | sort

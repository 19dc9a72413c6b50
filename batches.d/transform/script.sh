set -euo pipefail

awk -F, '{ sum[$2] += $3 } END { for (country in sum) print country, sum[country] }' | sort

set -euo pipefail

# Orders as they might come from a warehouse: number, country, amount.
for number in 1 2 3 4 5 6; do
  country=$(printf 'FR\nDE\nIT\n' | sed -n "$((number % 3 + 1))p")
  echo "$number,$country,$((RANDOM % 900 + 100))"
done
echo "drawn for $BATCH_DUE_AT" >&2

echo "migrated the archive, once"

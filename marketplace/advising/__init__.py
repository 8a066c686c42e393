"""Release, keep or scrap, from the database: demand histories, advice on every part, and the way from advice to a release."""

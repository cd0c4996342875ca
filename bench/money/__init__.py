"""What whole climbs pay and write down under endpoints that bill, tell and obey in odd ways."""

DROP TABLE booking_transitions;
DROP TABLE bookings;
DROP FUNCTION register_booking(text, bigint, text, text, text);
DROP TABLE registrations;
DROP TABLE object_claims;
DROP TABLE object_links;
DROP TABLE objects;

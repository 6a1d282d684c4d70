create view _meta as
select /*schema*/ as schema, '/*version*/' as flightlog;

create view _prices as
select *
from read_csv(_root() || '/prices.csv', header = true, auto_detect = false, delim = '|', quote = '', escape = '',
    columns = {'name': 'VARCHAR', 'provider': 'VARCHAR', 'input': 'DOUBLE', 'cached_input': 'DOUBLE',
        'cache_write': 'DOUBLE', 'output': 'DOUBLE', 'above': 'BIGINT', 'since': 'DATE', 'source': 'VARCHAR'});

create macro _in_place(field) as coalesce(json_extract(field, '$.value'), field);

create macro _whole(field, content) as coalesce(
    json_extract(field, '$.value'),
    case when json_array_length(field, '$.refs') = 0 then '[]'::json end,
    content::json
);

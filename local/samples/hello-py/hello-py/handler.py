def handle(event, context):
    name = event.query.get("name", "world")
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "text/plain; charset=utf-8"},
        "body": f"Hello, {name}, from Python!\n",
    }

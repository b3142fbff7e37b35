// Labels of a picture, with nothing but the standard library: go run main.go PICTURE [MODEL]
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"
)

type answer struct {
	Region  string
	Results []struct {
		Labels []struct {
			Label string
			Score float64
		}
	}
	// Of a failure.
	Reason, Detail, Hint string
}

func main() {
	log.SetFlags(0)
	url := os.Getenv("TENSORGATE_URL")
	if url == "" {
		url = "http://127.0.0.1:8080"
	}
	if len(os.Args) < 2 {
		log.Fatal("usage: go run main.go PICTURE [MODEL]")
	}
	model := "shapes"
	if len(os.Args) > 2 {
		model = os.Args[2]
	}

	picture, err := os.Open(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	defer picture.Close()
	request, err := http.NewRequest("POST", url+"/v1/classify/"+model+"?topK=3", picture)
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("content-type", "application/octet-stream")
	if key := os.Getenv("TENSORGATE_API_KEY"); key != "" {
		request.Header.Set("authorization", "Bearer "+key)
	}

	client := http.Client{Timeout: 30 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	var said answer
	if err := json.NewDecoder(response.Body).Decode(&said); err != nil {
		log.Fatalf("%s: no gateway answers like this: %v", response.Status, err)
	}
	if response.StatusCode != http.StatusOK {
		log.Fatalf("%s: %s %s", said.Reason, said.Detail, said.Hint)
	}
	for _, label := range said.Results[0].Labels {
		fmt.Printf("%s %.3f\n", label.Label, label.Score)
	}
}
